# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""What a test in Python says to the one in Perl that has started it."""

import sys
import time
import traceback


number = 0
failed = 0


def ok(condition, name):
    """Whether it held; True or False."""

    global number, failed

    number += 1

    if not condition:
        failed += 1

    print('%s %d - %s' % ('ok' if condition else 'not ok', number, name),
          flush=True)

    return bool(condition)


def same(got, expected, name):
    if not ok(got == expected, name):
        print('#      got: %.2000r\n# expected: %.2000r' % (got, expected),
              flush=True)


def wait_until(condition, seconds=20):
    """Polls; False when the condition did not hold within the seconds."""

    deadline = time.monotonic() + seconds

    while time.monotonic() < deadline:
        if condition():
            return True

        time.sleep(0.02)

    return False


def run(*parts):
    """Calls them in order; one that raises does not stop the others."""

    for part in parts:
        try:
            part()

        except Exception:
            ok(False, '%s comes to its end' % part.__name__)
            print(''.join('# %s\n' % line for line
                          in traceback.format_exc().splitlines()), flush=True)

    print('1..%d' % number, flush=True)
    sys.exit(1 if failed else 0)
