"""One session as one page that needs nothing else: ``report_of`` gives the model, ``page`` the HTML of it."""

from __future__ import annotations

from tap.history.report.content import SessionReport, report_of
from tap.history.report.page import page
from tap.history.report.still_files import Matches, match_files, pictures_to_fetch

__all__ = ["Matches", "SessionReport", "match_files", "page", "pictures_to_fetch", "report_of"]
