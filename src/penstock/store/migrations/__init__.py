"""Alembic's folder: how a store written by an older version becomes the present one."""
