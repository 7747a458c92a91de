# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""One set of methods: the same requests over REST and over gRPC, from the
same empty store, are answered with the same JSON and the same errors."""

import re
import time
import uuid

import tap
from gateway import Certificates, Failure, Grpc, Redis, Rest, places, ROUTES
from tap import ok, same


PLACE = places()
GRPC = Grpc(PLACE['grpc'], PLACE.get('ca'))
REST = Rest(PLACE['rest'])
REDIS = Redis(PLACE['redis'])

KEYS = [str(uuid.UUID(int=n)) for n in range(10)]

TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z')
MADE = re.compile(r'\b[0-9a-v]{20}\b')
REQUEST = re.compile(r'\b[0-9a-f]{32}\b')


class Tape:
    """Calls of one world, and what they were answered with."""

    def __init__(self, client):
        self.client = client
        self.answers = []
        self.ids = {}

    def call(self, name, request=None, **options):
        """The JSON that was answered, {} in place of an error."""

        try:
            answer = self.client.called(name, request, **options)
            outcome = answer

        except Failure as failure:
            answer = {}
            outcome = {'code': failure.code, 'message': failure.message,
                       'details': failure.details}

        self.answers.append((name, self.plain(outcome)))

        # what was made in the same millisecond has any order in a list
        next_millisecond()

        return answer

    def plain(self, value):
        """Ids by the order in which they came, no times, and no more than
        what proto3 JSON writes when it leaves out what is not set."""

        if isinstance(value, dict):
            plain = {key: 'TOKEN' if key == 'nextPageToken'
                     else self.plain(each) for key, each in value.items()}

            return {key: each for key, each in plain.items()
                    if each not in ('', False, [], {})}

        if isinstance(value, list):
            return [self.plain(each) for each in value]

        if isinstance(value, str) and not value.startswith('-----'):
            value = TIME.sub('TIME', value)
            value = REQUEST.sub('REQUEST', value)

            return MADE.sub(lambda found: self.ids.setdefault(
                found[0], 'ID%d' % len(self.ids)), value)

        return value


def scenario(tape):
    """Every method, well and badly."""

    call = tape.call
    pems = Certificates(PLACE['pem'], 9)
    pem = [pems.next(text) for text in ('', 'text\r\n', '\n', '')]

    created = call('RegistryService.Create', {
        'folderId': 'f', 'name': 'one', 'description': 'd "1"\n',
        'labels': {'b': '1', 'a': ''},
        'logOptions': {'disabled': True, 'logGroupId': 'g',
                       'minLevel': 'ERROR'},
        'certificates': [{'certificateData': pem[0]}]}, key=KEYS[0])
    one = created.get('metadata', {}).get('registryId')

    # the same once more, something else under that key, and no key
    call('RegistryService.Create', {
        'folderId': 'f', 'name': 'one', 'description': 'd "1"\n',
        'labels': {'a': '', 'b': '1'},
        'logOptions': {'disabled': True, 'logGroupId': 'g',
                       'minLevel': 'ERROR'},
        'certificates': [{'certificateData': pem[0]}]}, key=KEYS[0])
    call('RegistryService.Create', {'folderId': 'f', 'name': 'two'},
         key=KEYS[0])
    call('RegistryService.Create', {'folderId': 'f', 'name': 'one'})

    for request in ({}, {'folderId': 'a b'}, {'folderId': 'f', 'name': 'ü'},
                    {'folderId': 'f', 'labels': {'A': 'b'}},
                    {'folderId': 'f', 'password': 'p'},
                    {'folderId': 'f', 'description': 'x' * 257},
                    {'folderId': 'f', 'certificates': [
                        {'certificateData': pem[1]},
                        {'certificateData': 'none'}]}):
        call('RegistryService.Create', request)

    call('RegistryService.Create', {'folderId': 'f', 'name': 'two'})

    for request in ({'registryId': one}, {'registryId': 'none'},
                    {'registryId': 'a.b'}, {'registryId': 'x' * 51}):
        call('RegistryService.Get', request)
        call('RegistryService.ListCertificates', request)
        call('RegistryService.ListOperations', request)
        call('RegistryService.ListPasswords', request)

    call('RegistryService.GetByName',
         {'folderId': 'f', 'registryName': 'one'})
    call('RegistryService.GetByName',
         {'folderId': 'f', 'registryName': 'none'})
    call('RegistryService.GetByName', {'folderId': 'f'})

    page = call('RegistryService.List', {'folderId': 'f', 'pageSize': 1})
    call('RegistryService.List', {
        'folderId': 'f', 'pageSize': 1,
        'pageToken': page.get('nextPageToken', '')})
    call('RegistryService.List', {'folderId': 'f', 'pageSize': 1001})
    call('RegistryService.List', {'folderId': 'f', 'pageSize': -1})
    call('RegistryService.List', {'folderId': 'f', 'pageToken': 'no token'})
    call('RegistryService.List', {})

    for request in ({'updateMask': 'name', 'name': 'three', 'labels': {}},
                    {'updateMask': 'labels,description',
                     'description': 'new'},
                    {'updateMask': 'logOptions'},
                    {'updateMask': 'id'}, {'updateMask': 'name',
                                           'name': 'two'},
                    {'name': 'four', 'labels': {'x': 'y'}}):
        call('RegistryService.Update', dict(request, registryId=one))

    call('RegistryService.Update', {'registryId': 'none', 'name': 'x'})

    certificates(tape, one, pem)

    call('RegistryService.Disable', {'registryId': one})
    call('RegistryService.AddCertificate',
         {'registryId': one, 'certificateData': pem[3]})
    call('RegistryService.Enable', {'registryId': one}, key=KEYS[3])
    call('RegistryService.Enable', {'registryId': one}, key=KEYS[3])

    call('RegistryService.AddPassword', {'registryId': one, 'password': 'p'})
    call('RegistryService.DeletePassword',
         {'registryId': one, 'passwordId': 'p'})

    call('ApiEndpointService.Get', {'apiEndpointId': 'none'})

    call('RegistryService.Get', {'registryId': one}, token=None)
    call('RegistryService.Get', {'registryId': one}, token='bob')
    call('RegistryService.List', {'folderId': 'f'}, token='bob')

    call('RegistryService.Delete', {'registryId': one})
    call('RegistryService.Delete', {'registryId': one})
    call('RegistryService.Delete', {'registryId': 'none'})


def certificates(tape, one, pem):
    call = tape.call

    def add(data, **options):
        return call('RegistryService.AddCertificate',
                    {'registryId': one, 'certificateData': data}, **options)

    added = add(pem[1], key=KEYS[1])
    add(pem[1], key=KEYS[1])
    add(pem[2], key=KEYS[1])
    add(pem[1])
    add(pem[2], key='no key')
    add(pem[2])

    for data in ('', 'none', pem[1] + pem[2],
                 pem[1].replace('-----END', '----END'),
                 '-----BEGIN CERTIFICATE-----\n!\n'
                 '-----END CERTIFICATE-----\n',
                 '-----BEGIN CERTIFICATE-----\nMAA=\n'
                 '-----END CERTIFICATE-----\n',
                 '-----BEGIN EC PRIVATE KEY-----\nMAA=\n'
                 '-----END EC PRIVATE KEY-----\n', 'x' * 65537):
        add(data)

    call('RegistryService.AddCertificate',
         {'registryId': 'none', 'certificateData': pem[3]})
    call('RegistryService.ListCertificates', {'registryId': one})

    operation = added.get('id', '')

    call('OperationService.Get', {'operationId': operation})
    call('OperationService.Cancel', {'operationId': operation})
    call('OperationService.Get', {'operationId': operation}, token='bob')
    call('OperationService.Get', {'operationId': 'none'})
    call('OperationService.Cancel', {'operationId': '0' * 20})

    fingerprint = added.get('metadata', {}).get('fingerprint', '')

    for each in (fingerprint.upper(), fingerprint, 'none', '0' * 64):
        call('RegistryService.DeleteCertificate',
             {'registryId': one, 'fingerprint': each}, key=KEYS[2])

    page = call('RegistryService.ListOperations',
                {'registryId': one, 'pageSize': 2})
    call('RegistryService.ListOperations', {
        'registryId': one, 'pageSize': 2,
        'pageToken': page.get('nextPageToken', '')})
    call('RegistryService.ListOperations',
         {'registryId': one, 'filter': 'done=true'})


def next_millisecond():
    now = time.time_ns() // 1_000_000

    while time.time_ns() // 1_000_000 == now:
        time.sleep(0.0002)


def same_answers():
    tapes = []

    for client in (REST, GRPC):
        REDIS.command('FLUSHALL')
        tape = Tape(client)
        scenario(tape)
        tapes.append(tape.answers)

    same(len(tapes[0]), len(tapes[1]), 'both have come to the end')

    called = set()

    for rest, grpc in zip(*tapes):
        name = rest[0]
        called.add(name)
        reason = [detail.get('reason') for detail in
                  rest[1].get('details', []) if 'reason' in detail]

        same(grpc[1], rest[1], ' '.join([name] + reason))

    same(sorted(set(ROUTES) - called), ['ApiEndpointService.List'],
         'every method, but for one whose answer is the address')


# A key belongs to caller, method and resource, not to the way a request came.

def same_keys():
    REDIS.command('FLUSHALL')
    pems = Certificates(PLACE['pem'], 9)

    for first, second in ((REST, GRPC), (GRPC, REST)):
        key = str(uuid.uuid4())
        way = '%s, then %s' % (first.name, second.name)
        request = {'folderId': 'f', 'labels': {'a': 'b'}}

        was = first.called('RegistryService.Create', request, key=key)
        again = second.called('RegistryService.Create', request, key=key)

        same(again['id'], was['id'], way + ': Create')

        one = was['metadata']['registryId']
        key = str(uuid.uuid4())
        request = {'registryId': one, 'certificateData': pems.next()}

        was = first.called('RegistryService.AddCertificate', request,
                           key=key)
        again = second.called('RegistryService.AddCertificate', request,
                              key=key)

        same(again['id'], was['id'], way + ': AddCertificate')

        key = str(uuid.uuid4())
        request = {'registryId': one, 'updateMask': 'name,logOptions',
                   'name': 'n-%s' % first.name,
                   'logOptions': {'folderId': 'f'}}

        was = first.called('RegistryService.Update', request, key=key)
        again = second.called('RegistryService.Update', request, key=key)

        same(again['id'], was['id'], way + ': Update')

        try:
            second.called('RegistryService.Update',
                          dict(request, name='other'), key=key)
            ok(False, way + ': something else under the key')

        except Failure as failure:
            same(failure.reason(), 'IDEMPOTENCY_KEY_REUSED',
                 way + ': something else under the key')


tap.run(same_answers, same_keys)
