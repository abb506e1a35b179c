"""What all tests share: where kernels are cached, and how many examples hypothesis draws (``HYPOTHESIS_PROFILE``)."""

import os
from pathlib import Path

# Kept from run to run, like pytest's own cache; must be set before numod is imported.
os.environ.setdefault("NUMOD_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "kernels"))

from hypothesis import HealthCheck, settings

# A first example may wait for the compiler, so there are no deadlines.
settings.register_profile("base", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("ci", settings.get_profile("base"), max_examples=8, derandomize=True, database=None)
settings.register_profile("dev", settings.get_profile("base"), max_examples=12)
settings.register_profile("nightly", settings.get_profile("base"), max_examples=300)
settings.register_profile("nojit", settings.get_profile("ci"), max_examples=2)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
