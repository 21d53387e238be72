"""The project that ``penstock demo`` runs; a folder to copy for a first project of one's own."""
