# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""One owner per certificate, one registry per name, over many slots.

A script of Redis works in one slot; a certificate's claim, a registry and the
folder of its name are in three.  So whoever adds a certificate

    claims it, in the slot of its fingerprint,
    commits it, in the slot of the registry,

and the certificate's record in the registry is the truth: a claim alone means
that somebody may be about to commit.  Who meets another's claim looks there,
and when there is no record, fences the other's operation off, so that it can
never commit, before it takes the claim over.  Names work in the same way.

First the scripts, then the clients, which are what the gateway's requests and
tasks do.  Keys of the store are tuples, the slot first:

    (registry, 'registry')              (status, name, the operation that
                                        claimed the name)
    (registry, 'certificate', c)        (the operation that added it, mark)
    (registry, 'operation', operation)  (kind, certificate, state)
    (registry, 'fence', operation)      why it may not commit any more
    (registry, 'idempotency', key)      operation
    (certificate, 'claim')              (registry, operation)
    (FOLDER, 'name', name)              (registry, operation)
    (FOLDER, 'idempotency', key)        (registry, operation)
"""

OK = 'OK'

# a rule that is left out, to see that it is needed
without = set()


def slot(script):
    """A script that reaches into another slot fails."""

    class Slot(dict):
        tag = None

        def of(self, key):
            assert self.tag in (None, key[0]), (script.__name__, key)
            self.tag = key[0]
            return key

        def get(self, key):
            return super().get(self.of(key))

        def __setitem__(self, key, value):
            super().__setitem__(self.of(key), value)

        def __delitem__(self, key):
            super().__delitem__(self.of(key))

    def run(db, *arguments):
        part = Slot(db)
        answer = script(part, *arguments)
        db.clear()
        db.update(part)
        return answer

    run.__name__ = script.__name__
    return run


# -- Claims, in the slot of a certificate or of a folder

@slot
def claim(db, key, registry, operation):
    """OK, also when it is the caller's already; else whose it is."""

    return take(db, key, None, registry, operation)


@slot
def take_over(db, key, held, registry, operation):
    """As claim, and OK when it still is as it was found."""

    return take(db, key, held, registry, operation)


def take(db, key, held, registry, operation):
    found = db.get(key)

    if found not in (None, held, (registry, operation)):
        return found

    db[key] = (registry, operation)
    return OK


@slot
def release(db, key, registry, operation):
    if db.get(key) == (registry, operation):
        del db[key]


# -- The registry's slot

def status(db, registry):
    record = db.get((registry, 'registry'))

    return record[0] if record else None


def has(db, registry, key):
    """Whether a registry holds what was claimed: a certificate, a name."""

    if status(db, registry) is None \
            or status(db, registry) == 'DELETING' and 'deleted' not in without:
        return False

    if key[1] == 'name':
        return db.get((registry, 'registry'))[1] == key[2]

    return db.get((registry, 'certificate', key[0])) is not None


@slot
def resolve(db, registry, operation, key):
    """MEMBER when the holder of a claim holds more than that.

    Else its operation can never commit from now on, and the answer is FREE.
    """

    if has(db, registry, key):
        return 'MEMBER'

    fence(db, registry, operation, 'TAKEN')
    return 'FREE'


def fence(db, registry, operation, why):
    if 'fence' not in without and not db.get((registry, 'fence', operation)):
        db[registry, 'fence', operation] = why


def replayed(db, registry, operation):
    """What every commit looks at first: is it over already?"""

    if 'operation' not in without \
            and db.get((registry, 'operation', operation)):
        return OK

    return db.get((registry, 'fence', operation))


def refuse(db, registry, operation, why):
    """A refused commit must not succeed when it arrives once more, since its
    claim is given back."""

    if 'fence of a refusal' not in without:
        fence(db, registry, operation, why)

    return why


@slot
def abort(db, registry, operation):
    """OK when the operation is there, else it can never commit."""

    if db.get((registry, 'operation', operation)):
        return OK

    fence(db, registry, operation, 'TAKEN')
    return 'ABORTED'


@slot
def add_certificate(db, registry, certificate, operation, mark, key):
    """OK, or why not; mark is 'active', or 'pending' until it is finished.

    ('SAME', operation) when an earlier request had that idempotency key.
    """

    answer = same(db, registry, operation, key) \
        or replayed(db, registry, operation)

    if answer:
        return answer

    answer = refusal(db, registry, certificate)

    if answer:
        return refuse(db, registry, operation, answer)

    store_certificate(db, registry, certificate, operation, mark, key)
    return OK


def claim_and_add(db, registry, certificate, operation, mark, key):
    """The same where a script reaches both slots, on one Redis.

    The holder of the claim, when that is another.  A claim is made together
    with the certificate or not at all, so that a refusal needs no fence.
    """

    claimed = certificate, 'claim'

    answer = same(db, registry, operation, key) \
        or replayed(db, registry, operation) \
        or refusal(db, registry, certificate)

    if answer:
        return answer

    held = take(db, claimed, None, registry, operation)

    if held != OK:
        return held

    store_certificate(db, registry, certificate, operation, mark, key)
    return OK


def refusal(db, registry, certificate):
    if status(db, registry) != 'ACTIVE':
        return 'NO_REGISTRY'

    return 'EXISTS' if db.get((registry, 'certificate', certificate)) else None


def store_certificate(db, registry, certificate, operation, mark, key):
    db[registry, 'certificate', certificate] = (operation, mark)
    db[registry, 'operation', operation] = \
        ('add', certificate, 'done' if mark == 'active' else 'pending')

    if key:
        db[registry, 'idempotency', key] = operation


def same(db, registry, operation, key):
    found = key and db.get((registry, 'idempotency', key))

    return ('SAME', found) if found not in (None, operation) else None


@slot
def recall(db, registry, operation, key):
    """What add_certificate would say of the key, nothing else."""

    return same(db, registry, operation, key)


@slot
def delete_certificate(db, registry, certificate, operation, mark):
    """('FREED', who added it), PENDING when it waits for finish, or why not.

    A certificate that is not active yet is not there, one that is about to go
    cannot be deleted twice.
    """

    known = db.get((registry, 'operation', operation))

    if known:
        return known[2].upper()

    if status(db, registry) in (None, 'DELETING'):
        return 'NO_REGISTRY'

    record = db.get((registry, 'certificate', certificate))

    if not record or record[1] == 'pending':
        return 'NOT_FOUND'

    if record[1] != 'active':
        return 'BUSY'

    if mark == 'pending':
        db[registry, 'certificate', certificate] = (record[0], operation)
        db[registry, 'operation', operation] = \
            ('delete', certificate, 'pending')
        return 'PENDING'

    del db[registry, 'certificate', certificate]
    db[registry, 'operation', operation] = ('delete', certificate, 'done')
    return 'FREED', record[0]


@slot
def finish_operation(db, registry, operation, state):
    """The backend's finish ('done', 'failed') and a cancel ('cancelled').

    The first wins.  ('FREED', certificate, who added it) when the certificate
    is gone by that; else the state the operation has.
    """

    record = db.get((registry, 'operation', operation))

    if not record or record[2] != 'pending':
        return record and record[2]

    kind, certificate, _ = record
    added, _ = db.get((registry, 'certificate', certificate))

    db[registry, 'operation', operation] = (kind, certificate, state)

    if (kind == 'add') == (state == 'done'):
        db[registry, 'certificate', certificate] = (added, 'active')
        return state

    del db[registry, 'certificate', certificate]
    return 'FREED', certificate, added


@slot
def enable_registry(db, registry):
    if status(db, registry) == 'DISABLED':
        db[registry, 'registry'] = \
            ('ACTIVE',) + db.get((registry, 'registry'))[1:]


@slot
def find_operation(db, registry, operation):
    return OK if db.get((registry, 'operation', operation)) else None


@slot
def create_registry(db, registry, operation, name, certificates):
    answer = replayed(db, registry, operation)

    if answer:
        return answer

    if status(db, registry):
        return 'ABORTED' if status(db, registry) == 'DELETING' else 'EXISTS'

    db[registry, 'registry'] = ('ACTIVE', name, operation)
    db[registry, 'operation', operation] = ('create', None, 'done')

    for certificate in certificates:
        db[registry, 'certificate', certificate] = (operation, 'active')

    return OK


@slot
def rename_registry(db, registry, operation, name, claimed):
    """(OK, the old name, who had claimed it), or why not.

    CHANGED: it has not got that name any more, the caller has to claim it.
    """

    answer = replayed(db, registry, operation)

    if answer:
        return answer

    if status(db, registry) != 'ACTIVE':
        return refuse(db, registry, operation, 'NO_REGISTRY')

    _, old, holder = db.get((registry, 'registry'))

    if not claimed and old != name:
        return 'CHANGED'

    db[registry, 'operation', operation] = ('rename', None, 'done')

    if not claimed:
        return OK

    db[registry, 'registry'] = ('ACTIVE', name, operation)
    return OK, old, holder


@slot
def delete_registry(db, registry, operation):
    """From here on nothing that the registry has counts.

    WAITS as long as operations of its certificates are pending.
    """

    if db.get((registry, 'operation', operation)):
        return OK

    if status(db, registry) in (None, 'DELETING'):
        return 'NO_REGISTRY'

    if any(key[:2] == (registry, 'certificate') and value[1] != 'active'
           for key, value in db.items()):
        return 'WAITS'

    _, name, holder = db.get((registry, 'registry'))

    db[registry, 'registry'] = ('DELETING', name, (holder, operation))
    db[registry, 'operation', operation] = ('remove', None, 'pending')
    return OK


BATCH = 1


@slot
def list_batch(db, registry):
    """What is next to go: (name, its holder, delete's operation, batch)."""

    if status(db, registry) != 'DELETING':
        return None

    _, name, (holder, operation) = db.get((registry, 'registry'))

    return name, holder, operation, certificates_of(db, registry)[:BATCH]


def certificates_of(db, registry):
    """((certificate, who added it), ...)"""

    return tuple(sorted((key[2], value[0]) for key, value in db.items()
                        if key[:2] == (registry, 'certificate')))


@slot
def remove_batch(db, registry, operation, batch):
    """Removes certificates of a registry that is deleted by operation.

    With the last one the registry goes.
    """

    if status(db, registry) != 'DELETING' \
            or db.get((registry, 'registry'))[2][1] != operation:
        return

    for certificate, added in batch:
        record = db.get((registry, 'certificate', certificate))

        if record and record[0] == added:
            del db[registry, 'certificate', certificate]

    if not certificates_of(db, registry):
        del db[registry, 'registry']
        db[registry, 'operation', operation] = ('remove', None, 'done')


# -- The folder's slot: the record of an idempotency key beside the name

FOLDER = 'F'


@slot
def reserve(db, key, name, held, registry, operation):
    """Claims a name for a registry to be, and fixes its ids by the key.

    As claim and take_over; nothing is done, and the answer is ('AGAIN', ids),
    when the key has fixed other ids before.
    """

    fixed = db.get((FOLDER, 'idempotency', key))

    if fixed not in (None, (registry, operation)):
        return 'AGAIN', fixed

    answer = take(db, (FOLDER, 'name', name), held, registry, operation)

    if answer == OK:
        db[FOLDER, 'idempotency', key] = registry, operation

    return answer


@slot
def unreserve(db, key, name, registry, operation):
    for claimed in (FOLDER, 'name', name), (FOLDER, 'idempotency', key):
        if db.get(claimed) == (registry, operation):
            del db[claimed]


# -- Clients

ATTEMPTS = 1, 2, 3


def acquire(key, registry, operation):
    """Claims, from a holder that holds no more than the claim if need be.

    OK, EXISTS or BUSY.
    """

    held = yield claim, key, registry, operation

    for attempt in ATTEMPTS:
        if held == OK:
            return OK

        if 'own token' in without and held[0] == registry:
            return OK

        answer = yield resolve, held[0], held[1], key

        if answer == 'MEMBER':
            return 'EXISTS'

        if 'take over' in without:
            return 'BUSY'

        held = yield take_over, key, held, registry, operation

    return OK if held == OK else 'BUSY'


def add(registry, certificate, operation, mark='active', key=None):
    """(OK, operation), an earlier one when the key has it; or why not."""

    claimed = certificate, 'claim'

    answer = yield from acquire(claimed, registry, operation)

    if answer == OK:
        answer = yield (add_certificate, registry, certificate, operation,
                        mark, key)

        if answer == OK:
            return OK, operation

        yield release, claimed, registry, operation

    # whatever stands in the way, the first request of that key may be it
    if key and 'recall' not in without:
        answer = (yield recall, registry, operation, key) or answer

    return (OK, answer[1]) if answer[0] == 'SAME' else answer


def add_on_one(registry, certificate, operation, mark='active', key=None):
    """On one Redis a certificate that nobody has claimed takes one script."""

    answer = yield (claim_and_add, registry, certificate, operation, mark,
                    key)

    if answer == OK:
        return OK, operation

    if answer[0] == 'SAME':
        return OK, answer[1]

    if isinstance(answer, tuple):
        answer = yield from add(registry, certificate, operation, mark, key)

    return answer


def delete(registry, certificate, operation, mark='active'):
    answer = yield (delete_certificate, registry, certificate, operation,
                    mark)

    if answer[0] == 'FREED':
        yield release, (certificate, 'claim'), registry, answer[1]
        return OK

    return answer


def finish(registry, operation, state):
    answer = yield finish_operation, registry, operation, state

    if answer and answer[0] == 'FREED':
        yield release, (answer[1], 'claim'), registry, answer[2]
        return state

    return answer


def enable(registry):
    yield enable_registry, registry
    return OK


def remove(registry, operation):
    """Deletes a registry: marks it, and does the work at once."""

    answer = yield delete_registry, registry, operation

    if answer == OK:
        yield from work(registry)

    return answer


def work(registry):
    """Goes on with a registry that is deleted, whoever began.

    Claims go before what they name: who stops in between leaves nothing that
    the next worker would not find.  They may, since nothing of a registry that
    is deleted counts any more.
    """

    while True:
        part = yield list_batch, registry

        if part is None:
            return OK

        name, holder, operation, batch = part

        if 'claims first' in without:
            yield remove_batch, registry, operation, batch

        if name:
            yield release, (FOLDER, 'name', name), registry, holder

        for certificate, added in batch:
            yield release, (certificate, 'claim'), registry, added

        yield remove_batch, registry, operation, batch


def create(key, registry, operation, name, certificates=()):
    """(OK, registry, operation) or why not.

    A key whose first attempt was given up begins again with fresh ids.
    """

    for fresh in '', '+', '++':
        answer = yield from create_once(key, registry + fresh,
                                        operation + fresh, name, certificates)

        if answer != 'TAKEN':
            return answer

    return 'BUSY'


def create_once(key, registry, operation, name, certificates):
    answer = yield from reserve_name(key, name, registry, operation)

    if answer[0] == 'AGAIN':
        _, (registry, operation) = answer

        if (yield find_operation, registry, operation):
            return OK, registry, operation

        answer = yield from reserve_name(key, name, registry, operation)

    if answer != OK:
        return 'TAKEN' if answer[0] == 'AGAIN' else answer

    answer = yield from claim_and_create(registry, operation, name,
                                         certificates)

    if answer == OK:
        return OK, registry, operation

    return (yield from give_up(answer, key, registry, operation, name,
                               certificates))


def reserve_name(key, name, registry, operation):
    """OK, EXISTS, BUSY or ('AGAIN', ids)."""

    held = yield reserve, key, name, None, registry, operation

    for attempt in ATTEMPTS:
        if held == OK or held[0] == 'AGAIN':
            return held

        answer = yield resolve, held[0], held[1], (FOLDER, 'name', name)

        if answer == 'MEMBER':
            return 'EXISTS'

        if 'take over' in without:
            return 'BUSY'

        held = yield reserve, key, name, held, registry, operation

    return held if held == OK or held[0] == 'AGAIN' else 'BUSY'


def claim_and_create(registry, operation, name, certificates):
    for certificate in certificates:
        answer = yield from acquire((certificate, 'claim'), registry,
                                    operation)

        if answer != OK:
            return answer

    return (yield create_registry, registry, operation, name, certificates)


def give_up(why, key, registry, operation, name, certificates):
    """Another request of the same key may have committed meanwhile."""

    if 'abort' not in without:
        answer = yield abort, registry, operation

        if answer == OK:
            return OK, registry, operation

    for certificate in certificates:
        yield release, (certificate, 'claim'), registry, operation

    yield unreserve, key, name, registry, operation
    return why


def rename(registry, operation, name):
    key = FOLDER, 'name', name

    for attempt in ATTEMPTS:
        answer = yield from acquire_name(key, registry, operation)

        if answer not in (OK, 'OWN'):
            return answer

        claimed = answer == OK
        answer = yield rename_registry, registry, operation, name, claimed

        if answer != 'CHANGED':
            break

    if answer[0] == OK:
        _, old, holder = answer

        if old:
            yield release, (FOLDER, 'name', old), registry, holder

        return OK

    if answer != OK and claimed:
        yield release, key, registry, operation

    return answer


def acquire_name(key, registry, operation):
    """As acquire; OWN when the registry itself has that name."""

    held = yield claim, key, registry, operation

    for attempt in ATTEMPTS:
        if held == OK:
            return OK

        answer = yield resolve, held[0], held[1], key

        if answer == 'MEMBER':
            return 'OWN' if held[0] == registry else 'EXISTS'

        held = yield take_over, key, held, registry, operation

    return OK if held == OK else 'BUSY'
