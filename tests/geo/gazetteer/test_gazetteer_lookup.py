from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from geoseek.geo import haversine_km
from geoseek.geo.gazetteer import NOWHERE, Gazetteer, Level, Location
from geoseek.schemas import UsageError

HEFEI = (31.86, 117.28)


def _km(location: Location, lat: float, lng: float) -> float:
    assert location.lat is not None
    assert location.lng is not None
    return float(haversine_km(location.lat, location.lng, lat, lng))


@pytest.mark.parametrize(
    ("address", "lat", "lng"),
    [
        ("China; Anhui; Hefei", *HEFEI),
        ("中国；安徽省；合肥市", *HEFEI),
        ("Hefei, Anhui, China", *HEFEI),
        ("Anhui Province; Hefei City; China", *HEFEI),
        ("<answer> China; Anhui Province; Hefei City </answer>", *HEFEI),
        ("China; Anhui; Hefei, Shushan District", *HEFEI),
        ("China; Anhui; Hefei (合肥)", *HEFEI),
        ("China; Anhui; Hefei; Xiyou Road 12", *HEFEI),
        ("CHN; anhui; HEFEI", *HEFEI),
        ("USA; MN; Minneapolis", 44.98, -93.26),
        ("Australia; NSW; Sydney", -33.87, 151.21),
        ("Brasil; SP; Campinas", -22.91, -47.06),
        ("Deutschland; Bayern; München", 48.14, 11.58),
        ("Germany; Bavaria; Muenchen", 48.14, 11.58),
        ("Россия; Московская область; Химки", 55.90, 37.43),
        ("日本; 東京都; 新宿区", 35.69, 139.71),
        ("भारत; महाराष्ट्र; मुंबई", 19.07, 72.88),
        ("مصر; القاهرة; القاهرة", 30.06, 31.25),
        ("대한민국; 경기도; 수원시", 37.29, 127.01),
        ("Thailand; จังหวัดเชียงใหม่; เชียงใหม่", 18.79, 98.98),
        ("France; Rhône-Alpes; Lyon", 45.75, 4.85),
        ("France; Finistère; Brest", 48.39, -4.49),
        ("DR Congo; Katanga; Lubumbashi", -11.66, 27.48),
        ("Norway; Hordaland; Bergen", 60.39, 5.32),
        ("England; Essex; Chelmsford", 51.74, 0.47),
        ("United Kingdom; Scotland; Glasgow", 55.87, -4.26),
        ("USA; Georgia; Atlanta", 33.75, -84.39),
        ("Atlanta; Georgia; USA", 33.75, -84.39),
        ("Georgia; Imereti; Kutaisi", 42.25, 42.70),
        ("China; Hong Kong; Kowloon", 22.32, 114.18),
        ("USA; Puerto Rico; San Juan", 18.47, -66.11),
        ("France; Réunion; Saint-Denis", -20.88, 55.45),
        ("Mexico; Mexico; Toluca", 19.29, -99.65),
        ("Singapore; Singapore; Singapore", 1.29, 103.85),
        ("United States; New York; New York City", 40.71, -74.01),
        ("USA; Missouri; Kansas City", 39.10, -94.58),
        ("Italy; Siena", 43.32, 11.33),
        ("Wales, Wisconsin, United States", 43.00, -88.38),
        ("Bavaria; Munich", 48.14, 11.58),
        ("Paris", 48.85, 2.35),
    ],
)
def test_exact_addresses(gazetteer: Gazetteer, address: str, lat: float, lng: float) -> None:
    location = gazetteer.locate(address)
    assert location.level is Level.PLACE
    assert location.edits == 0
    assert _km(location, lat, lng) < 15
    assert gazetteer.locate(address, allow_fuzzy=False) == location


@pytest.mark.parametrize(
    ("address", "level", "refused"),
    [
        ("Germany; Bavaria; Munihc", Level.PLACE_FUZZY, Level.REGION),
        ("Germany; Bavria; Munich", Level.PLACE_FUZZY, Level.PLACE),
        ("Germny; Bavaria; Munich", Level.PLACE_FUZZY, Level.PLACE),
        ("Germany; Bavria; Xyzzyburg", Level.REGION_FUZZY, Level.COUNTRY),
        ("Germny", Level.COUNTRY_FUZZY, Level.NONE),
    ],
)
def test_typing_errors_are_a_level_that_can_be_refused(
    gazetteer: Gazetteer, address: str, level: Level, refused: Level
) -> None:
    assert gazetteer.locate(address).level is level
    assert gazetteer.locate(address).level.fuzzy
    assert gazetteer.locate(address).edits >= 1
    strict = gazetteer.locate(address, allow_fuzzy=False)
    assert strict.level is refused
    assert strict.edits == 0


def test_typing_errors_need_five_letters_and_latin_script(gazetteer: Gazetteer) -> None:
    assert gazetteer.locate("Italy; Lazio; Rme").level is Level.REGION
    assert gazetteer.locate("中国; 安徽省; 合月").level is Level.REGION


@pytest.mark.parametrize(
    ("address", "level", "code", "region", "place"),
    [
        ("Germany; Bavaria; Xyzzyburg", Level.REGION, "DE", "Bavaria", ""),
        ("Germany; Bavaria", Level.REGION, "DE", "Bavaria", ""),
        ("Germany", Level.COUNTRY, "DE", "", ""),
        ("Germany; Qqqqqq; Xyzzyburg", Level.COUNTRY, "DE", "", ""),
        ("Germany; Bavaria; Upper Bavaria; Xyzzyburg", Level.ADMIN2, "DE", "Bavaria", "Upper Bavaria"),
        ("England; Essex; Xyzzyburg", Level.ADMIN2, "GB", "England", "Essex"),
        ("England", Level.REGION, "GB", "England", ""),
        ("Xyzzyburg", Level.NONE, "", "", ""),
        ("N/A", Level.NONE, "", "", ""),
        ("NA", Level.COUNTRY, "NA", "", ""),
        ("Antarctica", Level.NONE, "AQ", "", ""),
        ("Singapore", Level.COUNTRY, "SG", "", ""),
    ],
)
def test_what_is_unknown_falls_back(
    gazetteer: Gazetteer, address: str, level: Level, code: str, region: str, place: str
) -> None:
    location = gazetteer.locate(address)
    assert (location.level, location.country_code, location.region, location.place) == (level, code, region, place)
    assert location.found is (level is not Level.NONE)
    assert location.geoname_id is None


def test_second_level_tells_namesakes_apart(gazetteer: Gazetteer) -> None:
    plain = gazetteer.locate("USA; Pennsylvania; Springfield")
    county = gazetteer.locate("USA; Pennsylvania; Delaware County; Springfield")
    assert plain.ambiguous or plain == county
    assert not county.ambiguous
    assert _km(county, 39.93, -75.32) < 15


def test_ambiguity_is_reported_and_the_largest_given(gazetteer: Gazetteer) -> None:
    location = gazetteer.locate("USA; Springfield")
    assert location.ambiguous
    assert location.candidates > 10
    assert location.region == "Missouri"
    assert not gazetteer.locate("China; Anhui; Hefei").ambiguous
    assert gazetteer.locate("Paris").ambiguous


def test_main_name_of_a_hamlet_does_not_beat_a_city(gazetteer: Gazetteer) -> None:
    assert gazetteer.locate("Germany; Bavaria; München").geoname_id == 2867714


def test_answer_names_what_was_matched(gazetteer: Gazetteer) -> None:
    location = gazetteer.locate("中国；安徽省；合肥市")
    assert (location.country_code, location.region, location.place) == ("CN", "Anhui", "Hefei")
    assert location.matched == "合肥市"
    assert location.geoname_id == 1808722


def test_many_addresses_are_answered_in_order(gazetteer: Gazetteer) -> None:
    addresses = ["Germany; Bavaria; Munich", "", "China; Anhui; Hefei", "Germany; Bavaria; Munich"]
    assert gazetteer.locate_many(addresses) == [gazetteer.locate(address) for address in addresses]
    assert gazetteer.locate_many([]) == []
    assert gazetteer.locate_many([""]) == [NOWHERE]


def test_threads_agree(gazetteer: Gazetteer) -> None:
    addresses = [f"Germany; Bavaria; {name}" for name in ("Munihc", "Nurembreg", "Ausburg", "Regensburk")] * 50
    expected = gazetteer.locate_many(addresses)
    found: list[list[Location]] = []
    threads = [threading.Thread(target=lambda: found.append(gazetteer.locate_many(addresses))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.slow
def test_same_answers_in_another_process_whatever_the_hash_seed(gazetteer: Gazetteer) -> None:
    addresses = ["USA; Springfield", "Germny; Bavria; Munihc", "Paris", "Mexico; San José", "中国；合肥"]
    code = (
        "import json, sys; from geoseek.geo.gazetteer import load_gazetteer; g = load_gazetteer();"
        "print(json.dumps([repr(g.locate(a)) for a in json.load(sys.stdin)]))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        input=json.dumps(addresses),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [repr(gazetteer.locate(address)) for address in addresses]


def test_points_get_names(gazetteer: Gazetteer) -> None:
    found = gazetteer.describe(*HEFEI)
    assert (found.country_code, found.country, found.region, found.place) == ("CN", "China", "Anhui", "Hefei")
    assert found.distance_km < 1
    assert gazetteer.describe(48.58, 7.75).country_code == "FR"
    assert gazetteer.describe(48.575, 7.79, country_code="DE").place == "Kehl"
    assert gazetteer.describe(0, 0, country_code="JP").country == "Japan"
    assert gazetteer.describe(-16.5, 180).country_code == "FJ"


@pytest.mark.parametrize(("lat", "lng", "code"), [(91, 0, None), (0, 181, None), (float("nan"), 0, None), (0, 0, "ZZ")])
def test_impossible_points_are_refused(gazetteer: Gazetteer, lat: float, lng: float, code: str | None) -> None:
    with pytest.raises(UsageError):
        gazetteer.describe(lat, lng, country_code=code)


def test_names_of_a_point_lead_back_to_it(gazetteer: Gazetteer) -> None:
    for lat, lng in [HEFEI, (44.98, -93.26), (-33.87, 151.21), (55.75, 37.62), (-1.29, 36.82), (35.69, 139.69)]:
        names = gazetteer.describe(lat, lng)
        location = gazetteer.locate(f"{names.country}; {names.region}; {names.place}")
        assert _km(location, lat, lng) < 25
