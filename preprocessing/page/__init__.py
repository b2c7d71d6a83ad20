"""How our HTML pages look: charts as SVG, colours of languages, numbers and differences of texts for people."""
