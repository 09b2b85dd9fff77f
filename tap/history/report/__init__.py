"""One session as one page that needs nothing else: ``report_of`` gives the model, ``page`` the HTML of it."""

from __future__ import annotations

from tap.history.report.matching import Matches, match_files, pictures_to_fetch
from tap.history.report.model import Report, report_of
from tap.history.report.page import page

__all__ = ["Matches", "Report", "match_files", "page", "pictures_to_fetch", "report_of"]
