"""Turns rows into something for people: text on a terminal, reports, files for editing systems.

A line in here gets rows and returns text. It uses no server, journal or ledger, and imports only ``tap.core``. If an
export needs recorded files, its caller has read them.
"""
