"""The database that studies lie in: opened, waited for, locked, kept alive. What is in them, others know."""
