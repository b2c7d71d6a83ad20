"""Commands of ``mko`` about the program itself: starting configurations, schemas, completion."""
