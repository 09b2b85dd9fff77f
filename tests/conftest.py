"""What all tests share: no test fails because the machine is busy.

How long a test may hang before it is ended is set in ``pyproject.toml``; how long an example of hypothesis may take is
nobody's business.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
