"""What a study says: its name, its candidates, what became of them, and which worker is at what."""
