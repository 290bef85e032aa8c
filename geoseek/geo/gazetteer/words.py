"""Administrative words of many languages, by which names differ without naming something else."""

from __future__ import annotations

ADMIN_LATIN = """
city commonwealth town village township borough county province state region district prefecture municipality municipal
republic
territory governorate department departement departamento department canton kanton commune parish emirate
division
subdivision metropolitan autonomous special administrative federal capital area council metro prefectural
hamlet
provincia provincie provins provinz province provinsi provincial lalawigan probinsya
region regione regiao regio regiunea rajon raion rayon rajon rejon regierungsbezirk reg
estado stato etat staat stat delstat negeri
distrito distretto distrikt distrik bezirk landkreis kreis stadt grossstadt gemeinde gemeente kommune kommun
kunta
freistaat hansestadt bundesland
ciudad cidade ville citta urbs orasul oras judetul judet municipio municipiul comune comunidad autonoma
freguesia concelho
condado comte contea comarca
oblast oblasti oblasts voblast krai kray kraj krajina okrug okrugh avtonomnyy avtonomnaya respublika republika
respublikasy gorod posyolok selo obl
wojewodztwo voivodeship voivodship powiat gmina
megye varos kraju okres mesto zupanija opstina opcina obshtina
lan fylke maakunta laani
ili ilcesi vilayet vilayeti viloyati veloyati wilaya wilayat wilayah muhafazat muhafazah mohafazat liwa
mintaqah emarat
ostan ostane shahrestan velayat viloyat
sheng shi xian shixiaqu zizhiqu zizhixian diqu
ken shi machi mura
gun teukbyeolsi gwangyeoksi
tinh thanh huyen thi
changwat amphoe amphur
kota kabupaten kab kecamatan daerah istimewa propinsi
nomos nomarchia periphereia dimos
marz mxare
taluk tehsil zila jila
mkoa jimbo
""".split()  # noqa: SIM905
"""Words in Latin script, after `fold`."""
ADMIN_NATIVE = """
область обл край республика район округ автономный автономная автономна городской город г посёлок поселок село
деревня губерния
область області міста місто община обшина окръг град воеводство край жудець општина покраjина округ
облысы ауданы қаласы облусу аймак аймаг хот
محافظة ولاية منطقة مدينة إمارة قضاء استان شهرستان شهر ولايت ضلع صوبہ شہر تحصیل بلدية اقليم
מחוז נפה עיר נפת
νομός περιφέρεια δήμος περιφερειακή ενότητα
จังหวัด อำเภอ เทศบาล นคร
राज्य जिला ज़िला शहर प्रान्त प्रदेश জেলা বিভাগ রাজ্য মহানগরী
மாவட்டம் மாநிலம் జిల్లా రాష్ట్రం ಜಿಲ್ಲೆ ರಾಜ್ಯ ജില്ല സംസ്ഥാനം
მხარე რაიონი მუნიციპალიტეტი ქალაქი
մարզ քաղաք
ខេត្ត ក្រុង ແຂວງ မြို့ ပြည်နယ်
특별자치도 특별자치시 특별시 광역시 자치시 자치도
도 시 군 구
""".split()  # noqa: SIM905
"""Words in other scripts."""
SUFFIXES = """
特別行政区 特别行政区 壮族自治区 回族自治区 维吾尔自治区 維吾爾自治区 自治区 自治州 自治县 自治旗 地区 地級市 地级市
直辖市 直轄市 省 市 县 区 州 盟 県 府 都 道 町 村 郡 镇 鎮 乡 鄉
특별자치도 특별자치시 특별시 광역시 자치시 자치도 도 시 군 구 읍 면 จังหวัด
""".split()  # noqa: SIM905
"""Endings that are written without a space."""
PREFIXES = ("จังหวัด", "อำเภอ", "เมือง", "ខេត្ត", "ແຂວງ")
"""Beginnings that are written without a space."""
CONNECTORS = frozenset(
    """
    of l d dell s de do da del della dello di du des la le les the dos das den der el al ng y e a na no v
    """.split()  # noqa: SIM905
)
"""Words between an administrative word and the name."""
