"""The list of controllers, letter for letter."""

from __future__ import annotations

from jobkit.views.controllers import ControllerRow, ParamRow, controllers_view
from records import LONG_NAME, screen

CONTROLLERS = [
    ControllerRow(
        job_type="tiles",
        version=2,
        doc="Cuts [bold]rasters[/bold].",
        stages=("Cut", LONG_NAME),
        params=(
            ParamRow(name="--width", type="INTEGER", default=None, help="Width of the raster. (>= 1)"),
            ParamRow(name="--tile-px", type="INTEGER", default="512", help="Edge [px]"),
            ParamRow(
                name="--bounds",
                type="JSON",
                default='{"west": -180.0, "south": -90.0, "east": 180.0, "north": 90.0}',
                help="What to cut, as a box of longitudes and latitudes.",
            ),
        ),
    ),
    ControllerRow(job_type="bare", version=1, doc="", stages=("One",), params=()),
]


def test_controllers_on_a_screen_of_80_columns():
    assert (
        screen(controllers_view(CONTROLLERS))
        == """
tiles  version 2
  Cuts [bold]rasters[/bold].
  stages: 1 Cut → 2 Validate every tile of the raster against the catalogue, and
then some
    --width    INTEGER  required                    Width of the raster. (>= 1)
    --tile-px  INTEGER  default 512                 Edge [px]
    --bounds   JSON     default {"west": -180.0,    What to cut, as a box of
                        "south": -90.0, "east":     longitudes and latitudes.
                        180.0, "north": 90.0}

bare  version 1
  stages: 1 One
"""
    )


def test_controllers_on_a_screen_of_200_columns():
    assert (
        screen(controllers_view(CONTROLLERS), 200)
        == """
tiles  version 2
  Cuts [bold]rasters[/bold].
  stages: 1 Cut → 2 Validate every tile of the raster against the catalogue, and then some
    --width    INTEGER  required                                                                \
Width of the raster. (>= 1)
    --tile-px  INTEGER  default 512                                                             \
Edge [px]
    --bounds   JSON     default {"west": -180.0, "south": -90.0, "east": 180.0, "north": 90.0}  \
What to cut, as a box of longitudes and latitudes.

bare  version 1
  stages: 1 One
"""
    )
