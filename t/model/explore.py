# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""Every run of a few clients against one store, state by state.

A script is a function of a dict, the store, and arguments; it runs as a whole
or not at all.  A client is a generator: it yields a call, which is a tuple of
a script and its arguments, and is resumed with what the script answered.  Each
client has one call on its way at a time, and may stop for ever at any point.
A call that is on its way may run at any later time, also when its client has
stopped; up to `repeats` times in a run a call that was ever sent runs again,
its answer lost or not.  Nothing may be lost beyond that: a call that never
runs is a state in which it has not run yet, and each state is looked at.
"""

from collections import deque


class Limit(Exception):
    """A scenario has more states than its author thought."""


class Store:
    """All contents a store has had, by number, and what scripts made of them.

    The same script on the same content does the same, so it is run once.
    """

    def __init__(self):
        self.contents = []
        self.numbers = {}
        self.calls = []
        self.call_numbers = {}
        self.runs = {}

    def number(self, content):
        key = frozenset(content.items())
        number = self.numbers.get(key)

        if number is None:
            number = self.numbers[key] = len(self.contents)
            self.contents.append(content)

        return number

    def call(self, call):
        number = self.call_numbers.get(call)

        if number is None:
            number = self.call_numbers[call] = len(self.calls)
            self.calls.append(call)

        return number

    def run(self, store, call):
        """(answer, the store after it), of a store and a call by number."""

        run = self.runs.get((store, call))

        if run is None:
            content = dict(self.contents[store])
            script, *arguments = self.calls[call]
            answer = script(content, *arguments)
            run = self.runs[store, call] = (answer, self.number(content))

        return run


class Client:
    """One client's places, by number: where it may be in its protocol.

    Two histories that have come to the same line with the same variables are
    one place.  A place has a call that is waited for, or the client's result.
    """

    def __init__(self, store, name, protocol, *arguments):
        self.store = store
        self.name = name
        self.make = lambda: protocol(*arguments)
        self.histories = []
        self.waits = []
        self.results = []
        self.numbers = {}
        self.steps = {}
        self.first = self.place(())

    def place(self, history):
        running = self.make()

        try:
            call = next(running)

            for answer in history:
                call = running.send(answer)

            key, call, result = variables(running), self.store.call(call), None

        except StopIteration as stop:
            key, call, result = ('done', stop.value), None, stop.value

        number = self.numbers.get(key)

        if number is None:
            number = self.numbers[key] = len(self.histories)
            self.histories.append(history)
            self.waits.append(call)
            self.results.append(result)

        return number

    def step(self, place, answer):
        number = self.steps.get((place, answer))

        if number is None:
            number = self.place(self.histories[place] + (answer,))
            self.steps[place, answer] = number

        return number


def variables(running):
    """Where a generator and those that it waits for stand, with what."""

    key = []

    while running is not None:
        frame = running.gi_frame
        key.append((frame.f_code.co_name, frame.f_lasti,
                    tuple(sorted(frame.f_locals.items()))))
        running = running.gi_yieldfrom

    return tuple(key)


# A client in a state is its place, or ~call when it has stopped with that call
# on its way, or STOPPED with none.

STOPPED = None


class Exploration:
    """States that are reached from a first one, breadth first.

    A state is (store, repeats left, calls that were sent, clients); the sent
    ones are bits of a number, and none when there is nothing left to repeat.
    A late or repeated call that changes nothing makes no state of its own.
    """

    def __init__(self, content, clients, repeats=1, limit=2000000):
        self.store = Store()
        self.clients = [Client(self.store, name, *protocol)
                        for name, protocol in clients]
        self.limit = limit

        sent = 0

        for client in self.clients:
            sent |= self.bit(client, client.first)

        places = tuple(client.first for client in self.clients)
        first = (self.store.number(dict(content)), repeats,
                 sent if repeats else 0, places)

        self.came = {first: None}
        self.queue = deque([first])

    def bit(self, client, place):
        call = client.waits[place]

        return 0 if call is None else 1 << call

    def states(self):
        """Yields each state once, before the states that follow it."""

        while self.queue:
            state = self.queue.popleft()
            yield state

            for following in self.follow(state):
                if following not in self.came:
                    self.came[following] = state
                    self.queue.append(following)

            if len(self.came) > self.limit:
                raise Limit(f'more than {self.limit} states')

    def follow(self, state):
        store, repeats, sent, places = state

        for i, client in enumerate(self.clients):
            place = places[i]

            if place is STOPPED:
                continue

            if place < 0:
                _, after = self.store.run(store, ~place)

                if after != store:
                    yield after, repeats, sent, changed(places, i, STOPPED)

                continue

            call = client.waits[place]

            if call is None:
                continue

            yield store, repeats, sent, changed(places, i, ~call)

            answer, after = self.store.run(store, call)
            then = client.step(place, answer)
            more = self.bit(client, then) if repeats else 0
            yield after, repeats, sent | more, changed(places, i, then)

        if repeats:
            yield from self.repeat(state)

    def repeat(self, state):
        """A call that has been sent runs, and its client does not see it."""

        store, repeats, sent, places = state
        keep = sent if repeats > 1 else 0

        while sent:
            call = (sent & -sent).bit_length() - 1
            sent &= sent - 1

            _, after = self.store.run(store, call)

            if after != store:
                yield after, repeats - 1, keep, places

    def content(self, state):
        return self.store.contents[state[0]]

    def results(self, state):
        """What each client has answered, None of those that have not."""

        return tuple(None if place is STOPPED or place < 0
                     else client.results[place]
                     for client, place in zip(self.clients, state[3]))

    def alone(self, state, protocol, *arguments):
        """Runs one more client on a state, undisturbed.

        Returns its result and the content of the store then.
        """

        store = state[0]
        running = protocol(*arguments)

        try:
            call = next(running)

            while True:
                answer, store = self.store.run(store, self.store.call(call))
                call = running.send(answer)

        except StopIteration as stop:
            return stop.value, self.store.contents[store]

    def trace(self, state):
        """How a state was come to, in lines."""

        path = []

        while state is not None:
            path.append(state)
            state = self.came[state]

        path.reverse()

        return [self.describe(before, after)
                for before, after in zip(path, path[1:])]

    def describe(self, before, after):
        for i, client in enumerate(self.clients):
            was, now = before[3][i], after[3][i]

            if was == now:
                continue

            if was < 0:
                return f'late from {client.name}: ' + self.told(before, ~was)

            if now is not STOPPED and now < 0:
                return f'{client.name} stops'

            text = self.told(before, client.waits[was])

            if client.waits[now] is None:
                text += f'; answers {show(client.results[now])}'

            return f'{client.name}: {text}'

        call = next(call for call in range(len(self.store.calls))
                    if before[2] >> call & 1
                    and self.store.run(before[0], call)[1] == after[0])

        return 'again: ' + self.told(before, call)

    def told(self, state, call):
        script, *arguments = self.store.calls[call]
        answer, _ = self.store.run(state[0], call)

        return f"{script.__name__}({', '.join(map(show, arguments))})" \
            f' -> {show(answer)}'


def changed(places, i, place):
    return places[:i] + (place,) + places[i + 1:]


def show(value):
    if isinstance(value, tuple):
        return '(' + ' '.join(map(show, value)) + ')'

    return str(value)
