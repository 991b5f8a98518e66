"""Tests of the dialects; `recordings` reads recorded provider traffic where there is any."""
