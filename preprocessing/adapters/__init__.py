"""Our steps inside other frameworks."""
