"""The store: SQLAlchemy Core tables, SQLite underneath; what survives a restart."""
