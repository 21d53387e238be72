"""Adapters over ``aws`` that keep the source ports."""
