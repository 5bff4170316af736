import numpy as np
import pytest
from tiny_library import make_library

from mild_core.data.ground import ground_line, groundedness, places_to_stand
from mild_core.data.library import PhotoLibrary


def landscape(line: float, thing: bool = False) -> np.ndarray:
    """Sky above a share of the height, textured grass below, and a red thing in front if asked."""
    rng = np.random.default_rng(0)
    photo = np.empty((120, 180, 3))
    photo[:] = (120, 170, 240)
    photo[round(line * 120) :] = (90, 120, 50)
    photo += rng.normal(0, 8, photo.shape)
    if thing:
        photo[50:, 40:140] = (200, 30, 30)
    return photo.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("line", "found"), [(0.3, 0.62), (0.62, 0.62), (0.7, 0.7), (0.8, 0.8), (0.88, 0.84)])
def test_the_ground_goes_up_to_where_its_colour_ends(line, found):
    assert ground_line(landscape(line)) == pytest.approx(found, abs=0.04)


def test_open_ground_is_more_grounded_than_a_thing_in_front_or_sky():
    open_ground = groundedness(landscape(0.5))
    assert open_ground > groundedness(landscape(0.5, thing=True)) + 10
    sky = np.full((120, 180, 3), (120, 170, 240), np.uint8)
    assert open_ground > groundedness(sky)


def test_the_better_half_of_the_places_is_taken_in_their_order(tmp_path):
    library = PhotoLibrary(make_library(tmp_path), "train")
    places = places_to_stand(library)
    assert len(library.places) / 2 - 1 <= len(places) <= len(library.places) / 2 + 1
    assert list(places) == [place for place in library.places if place in places]
