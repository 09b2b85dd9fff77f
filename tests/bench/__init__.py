"""Tests of the bench: what it measures with, and what it makes of what it has measured."""
