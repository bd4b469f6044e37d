"""An empty folder to stand in, pictures of noise, and `prep` typed there: as prep's tests do."""

from tests.prep.conftest import draw, home, prep

__all__ = ["draw", "home", "prep"]
