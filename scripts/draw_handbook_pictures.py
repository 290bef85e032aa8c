"""Draw the pictures of the annotators' handbook: three street scenes, none of them a photo of a real place."""

from __future__ import annotations

from pathlib import Path

from geoseek.demo import PlaceFacts, draw_scene, place_facts
from geoseek.workspace import atomic_path

FOLDER = Path(__file__).resolve().parents[1] / "annotation" / "images"
SEED = 7
WIDTH_PX, HEIGHT_PX = 800, 600


def examples() -> dict[str, tuple[str, PlaceFacts]]:
    """Return file name -> (scene id, place)."""
    sweden = place_facts("SE", 57.9, 14.1, country="Sweden", region="Jönköping", place="Nässjö")
    brazil = place_facts("BR", -8.0, -37.0, country="Brazil", region="Pernambuco", place="Arcoverde")
    japan = place_facts("JP", 35.2, 138.6, country="Japan", region="Shizuoka", place="Fuji")
    return {
        "example-high.jpg": ("hb-SE-1", sweden),
        "example-moderate.jpg": ("hb-BR-2", brazil),
        "example-low.jpg": ("hb-JP-0", japan),
    }


def main() -> None:
    """Write the pictures."""
    for name, (scene_id, facts) in examples().items():
        scene = draw_scene(facts, scene_id=scene_id, seed=SEED, size=(WIDTH_PX, HEIGHT_PX))
        with atomic_path(FOLDER / name) as path:
            scene.image.save(path, "JPEG", quality=82, optimize=True)
        print(f"{name}: {(FOLDER / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
