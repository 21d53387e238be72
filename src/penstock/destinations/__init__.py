"""Adapters over ``aws`` that keep the destination port."""
