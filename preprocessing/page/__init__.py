"""Building blocks of the HTML pages: charts as SVG, colors of languages, formatted numbers, differences of texts."""
