"""Functions of tasks for the tests of runners; worker processes import them."""

import os
import time

from megatron_ko.errors import DataError
from megatron_ko.files import write_text
from preprocessing.running.tasks import Outcome


def square(context, number):
    path = context.path("squares", f"n{number:03d}", ".txt")
    write_text(path, f"{number * number} {context.config.seed}")
    return Outcome([path], {"square": number * number, "documents_in": 2, "documents_out": 1})


def slow(context, number):
    time.sleep(0.2)
    return square(context, number)


def refuse(context, number):
    raise DataError(f"number {number} is refused; take another", rule="refused")


def vanish(context, number):
    os._exit(9)


def endless(context, number, began):
    write_text(began, str(os.getpid()))
    time.sleep(600)
    return square(context, number)
