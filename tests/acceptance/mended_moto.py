"""moto's server with the FIFO queues of ``penstock dev``: moto's own lose a group's order.

Run as a script, with the arguments of ``moto.server``.
"""

from moto.server import main

from penstock.local.moto_queues import mend_queues

if __name__ == "__main__":
    mend_queues()
    main()
