"""How our HTML pages look: charts as SVG, colors of languages, numbers and differences of texts for people."""
