#!/bin/bash
@DIRECTIVES@
#
# Rendered by `mko submit`; every value is quoted. One program on one node, or one in each task of an array.
set -euo pipefail

@VARIABLES@
@MODULES@
cd -- @WORKING_FOLDER@
@ONCE@ @PYTHON@ @PROGRAM@
