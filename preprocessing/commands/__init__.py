"""Commands beside the steps; each module has ``add_arguments(parser)`` and ``run``."""
