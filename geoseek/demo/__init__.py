"""Drawn street scenes, example annotations written by rules, and the demo workspace. Everything here is synthetic."""

from geoseek.demo.annotations import annotate
from geoseek.demo.facts import PlaceFacts, country_codes, place_facts
from geoseek.demo.features import Feature, Scene
from geoseek.demo.scene import draw_scene
from geoseek.demo.start import start_demo
from geoseek.demo.workspace import DemoWorkspace, create_demo_workspace, draw_sample, encode_jpeg

__all__ = [
    "DemoWorkspace",
    "Feature",
    "PlaceFacts",
    "Scene",
    "annotate",
    "country_codes",
    "create_demo_workspace",
    "draw_sample",
    "draw_scene",
    "encode_jpeg",
    "place_facts",
    "start_demo",
]
