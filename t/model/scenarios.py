# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""What runs against what, and what must hold in every state.

f and g are certificates, A and B registries of one folder, M and N names.
Registry Z is there for the probes: clients that come when all others have
stopped for ever, and that must get what is due to them.
"""

from protocol import (FOLDER, OK, add, add_on_one, create, delete, enable,
                      finish, remove, rename, work)


class Scenario:
    """A store, clients, how many calls may run again.

    kept: an add or a create that was answered OK is still there, since no
    client of the scenario takes it away.  tidy: no claim is left behind by a
    registry that is deleted, since nobody claims anything for it any more.
    """

    def __init__(self, name, store, clients, repeats=2, kept=False,
                 tidy=False):
        self.name = name
        self.store = {**registry('Z'), **store}
        self.clients = [(f'{number}. {client[0].__name__}', client)
                        for number, client in enumerate(clients, 1)]
        self.repeats = repeats
        self.kept = kept
        self.tidy = tidy

    def wrong(self, db):
        """What must not be, whoever is under way."""

        for certificate in 'f', 'g':
            owners = owners_of(db, certificate)

            if len(owners) > 1:
                return f'{certificate} has two owners: {" ".join(owners)}'

        for name in 'M', 'N':
            holders = named(db, name)

            if len(holders) > 1:
                return f'{name} names two: {" ".join(holders)}'

        return unfinished(db)

    def untrue(self, db, results):
        """What was answered and is not so."""

        made = {}

        for (_, client), result in zip(self.clients, results):
            protocol, *arguments = client

            key = key_of(protocol, arguments)

            if key and succeeded(protocol, arguments, result) \
                    and made.setdefault(key, result) != result:
                return f'{key} has two results'

            if self.kept and not there(db, protocol, arguments, result):
                return f'{protocol.__name__} answered {result}'

        return None

    def missed(self, results):
        """Clients that never get what they came for: nothing was tried."""

        return [name for (name, (protocol, *arguments)), answers
                in zip(self.clients, zip(*results))
                if not any(succeeded(protocol, arguments, answer)
                           for answer in answers)]

    def stuck(self, exploration, state):
        """What a lone client does not get although nobody has it."""

        return stuck_certificate(exploration, state) \
            or stuck_name(exploration, state) \
            or stuck_key(exploration, state, self.clients) \
            or stuck_registry(exploration, state, self.tidy)


def registry(name, status='ACTIVE', called=None, certificates=''):
    """The keys of a registry, added by operations 0x of registry x."""

    operation = f'0{name}'
    keys = {(name, 'registry'): (status, called, operation)}

    if called:
        keys[FOLDER, 'name', called] = (name, operation)

    for certificate in certificates:
        keys[name, 'certificate', certificate] = (operation, 'active')
        keys[certificate, 'claim'] = (name, operation)
        keys[name, 'operation', operation] = ('add', certificate, 'done')

    return keys


def live(db, name):
    record = db.get((name, 'registry'))

    return record is not None and record[0] != 'DELETING'


def owners_of(db, certificate):
    return [key[0] for key in db
            if key[1:] == ('certificate', certificate) and live(db, key[0])]


def named(db, name):
    return [key[0] for key, value in db.items()
            if key[1:] == ('registry',) and value[1] == name
            and value[0] != 'DELETING']


def unfinished(db):
    """A pending operation has its certificate, and the reverse."""

    for key, value in db.items():
        if key[1] == 'operation' and value[2] == 'pending':
            kind, certificate, _ = value
            found = db.get((key[0], 'certificate', certificate))
            mark = {'add': (key[2], 'pending'), 'delete': key[2]}.get(kind)

            if kind == 'add' and found != mark \
                    or kind == 'delete' and (not found or found[1] != mark):
                return f'operation {key[2]} is pending without its certificate'

        if key[1] == 'certificate' and value[1] != 'active':
            operation = value[0] if value[1] == 'pending' else value[1]
            found = db.get((key[0], 'operation', operation))

            if not found or found[2] != 'pending':
                return f'{key[2]} of {key[0]} waits for nothing'

    return None


def key_of(protocol, arguments):
    """What two requests may share, so that they have to have one result."""

    if protocol is create:
        return arguments[0]

    if protocol is finish:
        return arguments[1]

    return arguments[4] if protocol is add and len(arguments) == 5 else None


def succeeded(protocol, arguments, result):
    if protocol is finish:
        return result == arguments[2]

    return result in (OK, 'PENDING') or result and result[0] == OK


def there(db, protocol, arguments, result):
    """Whether what was answered OK is in the store."""

    if not succeeded(protocol, arguments, result):
        return True

    if protocol in (add, add_on_one):
        return arguments[0] in owners_of(db, arguments[1])

    if protocol is create:
        return live(db, result[1]) and all(result[1] in owners_of(db, each)
                                           for each in arguments[4])

    return True


# -- Probes

def stuck_certificate(exploration, state):
    for certificate in 'f', 'g':
        result, db = exploration.alone(state, add, 'Z', certificate, 'probe')
        owners = owners_of(db, certificate)

        if len(owners) > 1:
            return f'a new add makes a second owner of {certificate}'

        if result[0] == OK and owners == ['Z']:
            continue

        if result != 'EXISTS' or not owners:
            return f'a new add of {certificate} is answered {result}'

    return None


def stuck_name(exploration, state):
    for name in 'M', 'N':
        result, db = exploration.alone(state, create, 'probe', 'Y', 'probe',
                                       name)
        holders = named(db, name)

        if len(holders) > 1:
            return f'a new registry is the second {name}'

        if result[0] == OK and holders == ['Y']:
            continue

        if result != 'EXISTS' or not holders:
            return f'a new registry {name} is answered {result}'

    return None


def stuck_key(exploration, state, clients):
    """Who sends a request again gets what the first one made of it.

    Where that made nothing, it is done now, or somebody else is in the way.
    """

    db = exploration.content(state)

    for _, (protocol, *arguments) in clients:
        if protocol is create:
            problem = repeated_create(exploration, state, db, *arguments)

        elif protocol is add and key_of(protocol, arguments):
            problem = repeated_add(exploration, state, db, *arguments)

        else:
            problem = None

        if problem:
            return problem

    return None


def repeated_create(exploration, state, db, key, registry, operation, name,
                    certificates):
    ids = db.get((FOLDER, 'idempotency', key))
    result, then = exploration.alone(state, create, key, 'X', 'again', name,
                                     certificates)

    if ids and (ids[0], 'operation', ids[1]) in db:
        good = result == (OK, *ids)

    else:
        good = result[0] == OK or result == 'EXISTS' and \
            (named(then, name)
             or any(owners_of(then, each) for each in certificates)) \
            or result == 'ABORTED' and not live(then, registry)

    return None if good else f'a repeated create is answered {result}'


def repeated_add(exploration, state, db, registry, certificate, operation,
                 mark, key):
    first = db.get((registry, 'idempotency', key))
    result, then = exploration.alone(state, add, registry, certificate,
                                     'again', mark, key)

    if first:
        good = result == (OK, first)

    else:
        good = result[0] == OK \
            or result == 'EXISTS' and owners_of(then, certificate)

    return None if good else f'a repeated add is answered {result}'


def stuck_registry(exploration, state, tidy):
    """A new worker brings a registry's delete to its end."""

    db = exploration.content(state)

    for name in 'A', 'B':
        if db.get((name, 'registry'), ' ')[0] != 'DELETING':
            continue

        _, db = exploration.alone(state, work, name)

        if (name, 'registry') in db:
            return f'{name} is not deleted to its end'

        if any(key[:2] == (name, 'certificate') for key in db):
            return f'{name} leaves a certificate behind'

        if any(key[0] == name and key[1] == 'operation'
               and value[2] == 'pending' for key, value in db.items()):
            return f'{name} leaves an operation behind'

        if tidy and any(value[0] == name for key, value in db.items()
                        if key[1] in ('claim', 'name')):
            return f'{name} leaves a claim behind'

    return None


# -- Scenarios

A, B = registry('A'), registry('B')

TWO = Scenario('two adds', {**A, **B}, [
    (add, 'A', 'f', '1a'),
    (add, 'B', 'f', '2b'),
], kept=True)

THREE = Scenario('three adds, two of one registry', {**A, **B}, [
    (add, 'A', 'f', '1a'),
    (add, 'B', 'f', '2b'),
    (add, 'B', 'f', '3b'),
], kept=True)

DELETE = Scenario('two adds and a delete', {**A, **B}, [
    (add, 'A', 'f', '1a'),
    (add, 'B', 'f', '2b'),
    (delete, 'A', 'f', '3a'),
])

SAME = Scenario('two adds to one registry and a delete', {**A, **B}, [
    (add, 'A', 'f', '1a'),
    (add, 'A', 'f', '2a'),
    (delete, 'A', 'f', '3a'),
])

REFUSED = Scenario('an add is refused, what refused it goes away',
                   {**registry('A', 'DISABLED'), **B}, [
    (add, 'A', 'f', '1a'),
    (enable, 'A'),
    (add, 'B', 'f', '2b'),
], kept=True)

KEYED = Scenario('one add is sent twice under one key', {**A, **B}, [
    (add, 'A', 'f', '1a', 'active', 'k'),
    (add, 'A', 'f', '2a', 'active', 'k'),
    (delete, 'A', 'f', '3a'),
    (add, 'B', 'f', '4b'),
], repeats=1)

ONE = Scenario('one Redis: a registry is deleted while others add',
               {**registry('A', certificates='f'), **B}, [
    (remove, 'A', '1a'),
    (add_on_one, 'B', 'f', '2b'),
    (add_on_one, 'Z', 'f', '3z'),
    (delete, 'B', 'f', '4b'),
], repeats=1)

ENABLED = Scenario('one Redis: what refused an add goes away',
                   {**registry('A', 'DISABLED'), **B}, [
    (add_on_one, 'A', 'f', '1a'),
    (enable, 'A'),
    (add_on_one, 'B', 'f', '2b'),
    (delete, 'B', 'f', '3b'),
])

PENDING = Scenario('a pending add, finished and cancelled', {**A, **B}, [
    (add, 'A', 'f', '1a', 'pending'),
    (finish, 'A', '1a', 'done'),
    (finish, 'A', '1a', 'cancelled'),
    (add, 'B', 'f', '2b'),
])

FAILED = Scenario('pending adds that fail', {**A, **B}, [
    (add, 'A', 'f', '1a', 'pending'),
    (finish, 'A', '1a', 'failed'),
    (add, 'B', 'f', '2b', 'pending'),
    (finish, 'B', '2b', 'failed'),
])

UNDELETE = Scenario('a pending delete, finished and cancelled',
                    {**registry('A', certificates='f'), **B}, [
    (delete, 'A', 'f', '1a', 'pending'),
    (finish, 'A', '1a', 'done'),
    (finish, 'A', '1a', 'cancelled'),
    (add, 'B', 'f', '2b'),
])

REMOVE = Scenario('a registry is deleted while others add',
                  {**registry('A', called='N', certificates='f'), **B}, [
    (remove, 'A', '1a'),
    (add, 'A', 'g', '2a'),
    (add, 'B', 'f', '3b'),
])

WORK = Scenario('workers go on with a registry that is deleted',
                registry('A', called='N', certificates='fg'), [
    (remove, 'A', '1a'),
    (work, 'A'),
    (work, 'A'),
], tidy=True)

WAITING = Scenario('a registry with a pending add is to be deleted',
                   {**A, **B}, [
    (add, 'A', 'f', '1a', 'pending'),
    (remove, 'A', '2a'),
    (finish, 'A', '1a', 'done'),
    (add, 'B', 'f', '3b'),
])

AGAIN = Scenario('a registry is deleted and created again',
                 registry('A', called='N', certificates='f'), [
    (remove, 'A', '1a'),
    (create, 'k', 'A', '2a', 'N', ('f',)),
    (add, 'A', 'g', '3a'),
])

NAMES = Scenario('two registries of one name', {}, [
    (create, 'k', 'A', '1a', 'N', ()),
    (create, 'l', 'B', '2b', 'N', ()),
], kept=True)

RENAME = Scenario('a rename, a create and a delete',
                  registry('A', called='M'), [
    (rename, 'A', '1a', 'N'),
    (create, 'k', 'B', '2b', 'N', ()),
    (remove, 'A', '3a'),
])

SWAP = Scenario('a rename there and back', registry('A', called='M'), [
    (rename, 'A', '1a', 'N'),
    (rename, 'A', '2a', 'M'),
    (create, 'k', 'B', '3b', 'M', ()),
])

TWICE = Scenario('two renames to one name', registry('A', called='M'), [
    (rename, 'A', '1a', 'N'),
    (rename, 'A', '2a', 'N'),
    (create, 'k', 'B', '3b', 'N', ()),
], repeats=1)

FREED = Scenario('names become free by a rename and a delete',
                 {**registry('A', called='M'),
                  **registry('B', called='N')}, [
    (rename, 'A', '1a', 'N'),
    (remove, 'B', '2b'),
    (create, 'k', 'C', '3c', 'M', ()),
])

CREATE = Scenario('a create with certificates, and an add', B, [
    (create, 'k', 'A', '1a', 'N', ('f', 'g')),
    (add, 'B', 'g', '2b'),
], kept=True)

BESIDE = Scenario('one Redis: a create with certificates, and an add', B, [
    (create, 'k', 'A', '1a', 'N', ('f', 'g')),
    (add_on_one, 'B', 'g', '2b'),
    (delete, 'B', 'g', '3b'),
])

CROSSED = Scenario('two creates with the same certificates', {}, [
    (create, 'k', 'A', '1a', 'M', ('f', 'g')),
    (create, 'l', 'B', '2b', 'N', ('g', 'f')),
], repeats=1, kept=True)

KEY = Scenario('a create is sent twice while its certificate goes away',
               registry('B', certificates='g'), [
    (create, 'k', 'A', '1a', 'N', ('f', 'g')),
    (create, 'k', 'C', '2c', 'N', ('f', 'g')),
    (delete, 'B', 'g', '3b'),
], kept=True)

SCENARIOS = [TWO, THREE, DELETE, SAME, REFUSED, KEYED, ONE, ENABLED, PENDING,
             FAILED, UNDELETE, REMOVE, WORK, WAITING, AGAIN, NAMES, RENAME,
             SWAP, TWICE, FREED, CREATE, BESIDE, CROSSED, KEY]

# what is found when a rule is left out
CONTROLS = [
    (TWO, 'fence'),
    (NAMES, 'fence'),
    (SAME, 'operation'),
    (THREE, 'own token'),
    (REFUSED, 'fence of a refusal'),
    (TWO, 'take over'),
    (NAMES, 'take over'),
    (KEYED, 'recall'),
    (KEY, 'abort'),
    (WORK, 'claims first'),
    (REMOVE, 'deleted'),
]
