"""The far end of `Process`: takes a call, says that it has begun, answers, and takes the next."""

import faulthandler
import os
import pickle
import sys
import threading
import time
from multiprocessing.connection import Connection

__all__ = ["main"]


def main() -> None:
    """Serve calls from the connection whose file descriptor is the first argument, until it is closed."""
    faulthandler.enable()
    threading.Thread(target=_end_with_parent, args=[os.getppid()], daemon=True).start()
    pipe: Connection = Connection(int(sys.argv[1]))
    while True:
        try:
            function, arguments = pipe.recv()  # imports the function's module
        except EOFError:
            return
        pipe.send("begun")
        try:
            answer = function(*arguments)
        except Exception as error:
            answer = error
        try:
            pipe.send(answer)
        except (pickle.PicklingError, TypeError, AttributeError):
            pipe.send(RuntimeError(f"The answer {answer!r} cannot be sent to the tuner."))


def _end_with_parent(parent: int) -> None:
    """A tuner that was killed must not leave a hanging candidate behind."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main()
