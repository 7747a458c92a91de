# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""The whole API with Debian's grpcio (C-core), over the channel that
IOT_GRPC names, with TLS when there is IOT_CA."""

import hashlib
import base64
import uuid

import grpc

from google.protobuf import empty_pb2
from yandex.cloud.iot.devices.v1 import registry_pb2
from yandex.cloud.iot.devices.v1 import registry_service_pb2

import tap
from gateway import (Certificates, Failure, Grpc, Redis, places, plain,
                     refusal, result)
from tap import ok, same


PLACE = places()
GATEWAY = Grpc(PLACE['grpc'], PLACE.get('ca'))
REDIS = Redis(PLACE['redis'])
CERTIFICATES = Certificates(PLACE['pem'], int(PLACE['world']))
FOLDER = 'folder-%s' % PLACE['world']

registry = None


def create(name='', **fields):
    """The id of a new registry."""

    operation = GATEWAY.call('RegistryService.Create', dict(
        folderId=FOLDER, name=name, **fields))

    return unpacked(operation.metadata,
                    registry_service_pb2.CreateRegistryMetadata).registry_id


def unpacked(any_value, kind):
    message = kind()

    if not any_value.Unpack(message):
        raise AssertionError('%s in place of %s' % (
            any_value.type_url, kind.DESCRIPTOR.full_name))

    return message


def alike(got, expected, name):
    """The same for messages, which compare Anys by types that C++ knows."""

    same(plain(got), plain(expected), name)


def fingerprint(pem):
    block = pem.split('-----BEGIN CERTIFICATE-----')[1].split('-----END')[0]

    return hashlib.sha256(base64.b64decode(block)).hexdigest()


def add(pem, **options):
    return GATEWAY.call('RegistryService.AddCertificate', {
        'registryId': registry, 'certificateData': pem}, **options)


def endpoints():
    answer = GATEWAY.call('ApiEndpointService.List', token=None)

    same([endpoint.id for endpoint in answer.endpoints],
         ['endpoint', 'iam', 'operation', 'iot-devices', 'iotbroker',
          'iot-data', 'resource-manager'], 'endpoints, for nobody')
    same({endpoint.address for endpoint in answer.endpoints},
         {PLACE['endpoint']}, 'at the address that was dialled, or a set '
                              'one')
    same(GATEWAY.call('ApiEndpointService.Get',
                      {'apiEndpointId': 'iam'}, token=None).address,
         PLACE['endpoint'], 'one endpoint')
    same(refusal(GATEWAY.call, 'ApiEndpointService.Get',
                 {'apiEndpointId': 'compute'}, token=None),
         '5 ENDPOINT_NOT_FOUND compute', 'an endpoint that is not there')


def registries():
    global registry

    operation = GATEWAY.call('RegistryService.Create', {
        'folderId': FOLDER, 'name': 'line-3', 'description': 'линия 3',
        'labels': {'site': 'north', 'empty': ''},
        'logOptions': {'folderId': 'f', 'minLevel': 'WARN'}})

    same(operation.description, 'Create device registry', 'Create')
    ok(operation.done, 'which is done')
    same(operation.created_by, 'alice', 'by its caller')

    registry = unpacked(
        operation.metadata,
        registry_service_pb2.CreateRegistryMetadata).registry_id
    created = unpacked(operation.response, registry_pb2.Registry)

    same((created.id, created.folder_id, created.name, created.description),
         (registry, FOLDER, 'line-3', 'линия 3'), 'its registry')
    same(dict(created.labels), {'site': 'north', 'empty': ''}, 'labels')
    same(created.status, registry_pb2.Registry.ACTIVE, 'status')
    same((created.log_options.WhichOneof('destination'),
          created.log_options.folder_id, created.log_options.min_level),
         ('folder_id', 'f', 4), 'log options')
    same(created.created_at, operation.created_at, 'times')

    alike(GATEWAY.call('RegistryService.Get', {'registryId': registry}),
          created, 'Get')
    alike(GATEWAY.call('RegistryService.GetByName', {
        'folderId': FOLDER, 'registryName': 'line-3'}), created, 'GetByName')
    alike(GATEWAY.call('OperationService.Get', {'operationId': operation.id}),
          operation, 'the operation again')
    alike(GATEWAY.call('OperationService.Cancel',
                       {'operationId': operation.id}),
          operation, 'Cancel, when it is done')

    others = [create('other-%d' % n) for n in range(3)]
    seen, token = [], ''

    while True:
        page = GATEWAY.call('RegistryService.List', {
            'folderId': FOLDER, 'pageSize': 2, 'pageToken': token})
        seen += [found.id for found in page.registries]
        token = page.next_page_token

        if not token:
            break

    # those of one millisecond are in any order
    same(sorted(seen), sorted([registry] + others), 'List, in pages')

    updated = unpacked(GATEWAY.call('RegistryService.Update', {
        'registryId': registry, 'updateMask': 'description,labels',
        'name': 'not-in-the-mask', 'labels': {'a': 'b'}}).response,
        registry_pb2.Registry)

    same((updated.name, updated.description, dict(updated.labels),
          updated.log_options), ('line-3', '', {'a': 'b'},
                                 created.log_options), 'Update with a mask')

    for method, status in (('Disable', 4), ('Enable', 2)):
        operation = GATEWAY.call('RegistryService.' + method,
                                 {'registryId': registry})
        same(unpacked(operation.response, registry_pb2.Registry).status,
             status, method)

    operation = GATEWAY.call('RegistryService.Delete',
                             {'registryId': others[0]})
    same(operation.response.type_url,
         'type.googleapis.com/google.protobuf.Empty', 'Delete')
    same(refusal(GATEWAY.call, 'RegistryService.Get',
                 {'registryId': others[0]}),
         '5 REGISTRY_NOT_FOUND ' + others[0], 'it is not there any more')


def certificates():
    pem = CERTIFICATES.next('какой-то текст\r\n\n').rstrip('\n')
    operation = add(pem)

    metadata = unpacked(
        operation.metadata,
        registry_service_pb2.AddRegistryCertificateMetadata)
    added = unpacked(operation.response, registry_pb2.RegistryCertificate)

    same((metadata.registry_id, metadata.fingerprint),
         (registry, fingerprint(pem)), 'AddCertificate: metadata')
    same((added.registry_id, added.fingerprint, added.certificate_data),
         (registry, fingerprint(pem), pem), 'the certificate, byte for byte')

    same(list(GATEWAY.call('RegistryService.ListCertificates', {
        'registryId': registry}).certificates), [added], 'ListCertificates')
    alike(GATEWAY.call('OperationService.Get', {'operationId': operation.id}),
          operation, 'the operation again')

    try:
        add(pem)
        ok(False, 'a duplicate')

    except Failure as failure:
        same(failure.code, 6, 'a duplicate: ALREADY_EXISTS')
        same(failure.detail('ErrorInfo'), {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            'reason': 'CERTIFICATE_EXISTS', 'domain': 'ngx_http_iot_module',
            'metadata': {'registry': 'this', 'operationId': operation.id}},
            'a duplicate: the details name the add')
        ok(failure.detail('RequestInfo').get('requestId'), 'a request id')

    deleted = GATEWAY.call('RegistryService.DeleteCertificate', {
        'registryId': registry, 'fingerprint': added.fingerprint})

    same(unpacked(deleted.metadata,
                  registry_service_pb2.DeleteRegistryCertificateMetadata
                  ).fingerprint, added.fingerprint, 'DeleteCertificate')
    unpacked(deleted.response, empty_pb2.Empty)

    same(refusal(GATEWAY.call, 'RegistryService.DeleteCertificate', {
        'registryId': registry, 'fingerprint': added.fingerprint}),
        '5 CERTIFICATE_NOT_FOUND ' + added.fingerprint, 'not twice')

    page = GATEWAY.call('RegistryService.ListOperations', {
        'registryId': registry, 'pageSize': 1})

    same([found.id for found in page.operations], [deleted.id],
         'ListOperations, newest first')

    page = GATEWAY.call('RegistryService.ListOperations', {
        'registryId': registry, 'pageSize': 1,
        'pageToken': page.next_page_token})

    same([found.id for found in page.operations], [operation.id],
         'ListOperations, the next page')


def passwords():
    same(len(GATEWAY.call('RegistryService.ListPasswords',
                          {'registryId': registry}).passwords), 0,
         'ListPasswords is empty')
    same(refusal(GATEWAY.call, 'RegistryService.AddPassword', {
        'registryId': registry, 'password': 'long enough to be one'}),
        '12 PASSWORDS_NOT_SERVED', 'AddPassword')
    same(refusal(GATEWAY.call, 'RegistryService.DeletePassword', {
        'registryId': registry, 'passwordId': 'p'}),
        '12 PASSWORDS_NOT_SERVED', 'DeletePassword')


def keys():
    pem, key = CERTIFICATES.next(), str(uuid.uuid4())
    first = add(pem, key=key)

    alike(add(pem, key=key), first, 'the same key: the same operation')
    same(refusal(add, CERTIFICATES.next(), key=key),
         '3 IDEMPOTENCY_KEY_REUSED idempotency_key',
         'the same key for something else')
    same(refusal(add, CERTIFICATES.next(), key='x'),
         '3 INVALID_FIELD idempotency_key', 'a key that is no UUID')
    same(refusal(add, pem), '6 CERTIFICATE_EXISTS ' + fingerprint(pem),
         'no key')


def errors():
    same(refusal(GATEWAY.call, 'RegistryService.Get',
                 {'registryId': registry}, token=None),
         '16 CALLER_REQUIRED', 'no token')
    same(refusal(GATEWAY.call, 'RegistryService.Get',
                 {'registryId': registry}, token='mallory'),
         '16 CALLER_REQUIRED', 'a wrong token')
    same(refusal(GATEWAY.call, 'RegistryService.Get', {}),
         '3 INVALID_FIELD registry_id', 'no registry id')
    same(refusal(add, 'no certificate'),
         '3 CERTIFICATE_NO_PEM certificate_data', 'no PEM')
    same(refusal(add, ''), '3 CERTIFICATE_REQUIRED certificate_data',
         'no certificate')
    same(refusal(add, '-----BEGIN PRIVATE KEY-----\nAAAA\n'
                      '-----END PRIVATE KEY-----\n'),
         '3 PRIVATE_KEY_IN_BODY certificate_data', 'a private key')
    same(refusal(GATEWAY.call, 'OperationService.Get',
                 {'operationId': 'x'}), '5 OPERATION_NOT_FOUND x',
         'no operation')
    same(refusal(GATEWAY.call, 'RegistryService.Create', {
        'folderId': FOLDER, 'name': 'line-3'})[:22],
        '6 REGISTRY_NAME_EXISTS', 'a name that is taken')

    devices = '/yandex.cloud.iot.devices.v1.'

    for path in (devices + 'RegistryService/ListDeviceTopicAliases',
                 devices + 'RegistryService/Nothing',
                 devices + 'DeviceService/List',
                 '/yandex.cloud.iot.broker.v1.BrokerService/List',
                 '/yandex.cloud.Nothing/Get'):
        same(refusal(GATEWAY.raw, path)[:2], '12', path)

    same(refusal(GATEWAY.raw, devices + 'RegistryService/Get', b'\x0a\x05a')
         [:2], '13', 'a message that is cut')
    same(refusal(GATEWAY.raw, devices + 'RegistryService/Get',
                 b'\x0a\x02\xff\xfe')[:2], '13', 'a string that is not UTF-8')


def compressed():
    pem = CERTIFICATES.next('text\n' * 4000)

    try:
        add(pem, compression=grpc.Compression.Gzip)
        ok(False, 'a compressed message')

    except Failure as failure:
        same(failure.code, 12, 'a compressed message: UNIMPLEMENTED')

    ok(add(pem).done, 'the same one as it is')


# A change whose outcome the client has not waited for is done once, and the
# same key tells.

def deadlines():
    pem, key = CERTIFICATES.next(), str(uuid.uuid4())

    REDIS.command('CLIENT', 'PAUSE', '20000', 'WRITE')

    try:
        same(refusal(add, pem, key=key, timeout=0.3)[:1], '4',
             'a deadline: DEADLINE_EXCEEDED')

    finally:
        REDIS.command('CLIENT', 'UNPAUSE')

    ok(add(pem, key=key).done, 'a deadline: the same key again')


def cancelled():
    pem, key = CERTIFICATES.next(), str(uuid.uuid4())

    REDIS.command('CLIENT', 'PAUSE', '20000', 'WRITE')

    try:
        future = GATEWAY.start('RegistryService.AddCertificate', {
            'registryId': registry, 'certificateData': pem}, key=key)

        ok(tap.wait_until(REDIS.waits), 'a call that waits for the store')
        future.cancel()

        ok(future.cancelled(), 'a call that is cancelled')

    finally:
        REDIS.command('CLIENT', 'UNPAUSE')

    ok(add(pem, key=key).done, 'a cancelled call: the same key again')


def many_at_once():
    futures = [GATEWAY.start('RegistryService.AddCertificate', {
        'registryId': registry, 'certificateData': CERTIFICATES.next()})
        for _ in range(200)]

    same([result(future).done for future in futures], [True] * 200,
         '200 adds at once on one connection')


# A message above 4 MiB is one that clients do not take.

def large_list():
    large = create('large')
    text = 'some text around the certificate\n' * 1800

    def fill(number):
        futures = [GATEWAY.start('RegistryService.AddCertificate', {
            'registryId': large, 'certificateData': CERTIFICATES.next(text)})
            for _ in range(number)]

        for future in futures:
            result(future)

    fill(68)

    answer = GATEWAY.call('RegistryService.ListCertificates',
                          {'registryId': large})

    same(len(answer.certificates), 68,
         'a list of %d bytes' % answer.ByteSize())

    fill(6)

    try:
        GATEWAY.call('RegistryService.ListCertificates',
                     {'registryId': large})
        ok(False, 'a list above 4 MiB')

    except Failure as failure:
        same(failure.code, 8, 'a list above 4 MiB: RESOURCE_EXHAUSTED')
        ok('REST' in failure.message, 'which says what to do: '
           + failure.message)
        ok(failure.details, 'and comes from the gateway')


tap.run(endpoints, registries, certificates, passwords, keys, errors,
        compressed, deadlines, cancelled, many_at_once, large_list)
