"""Rows as something to look at: on the terminal, as a report, as files for the edit.

A line in here gets rows and gives text. It touches neither the server nor journal nor ledger, and imports ``tap.core``
alone; where an export looks at recorded files, whoever calls it looked them up.
"""
