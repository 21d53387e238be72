"""The store: SQLAlchemy Core tables, SQLite underneath; mappings and functions that survive."""
