"""Changes to text: characters, runs, mojibake, by-lines; and the language of a document."""
