"""Commands beside the steps, each a module with ``add_arguments(parser)`` and ``run``, and the parts they share."""
