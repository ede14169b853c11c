"""splashgen inside other libraries: one module a library, none of them imported unless asked for."""
