# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""What Terraform's yandex_iot_core_registry asks for, call by call.

The provider's source (yandex/resource_yandex_iot_core_registry.go of August
2026 and the Go SDK below it) is what this repeats: which methods, with which
fields set, and what it looks at in the answers.  The Go programs themselves
are not run here.
"""

import uuid

from google.protobuf import empty_pb2, field_mask_pb2
from yandex.cloud.iot.devices.v1 import registry_pb2
from yandex.cloud.iot.devices.v1 import registry_service_pb2 as service

import tap
from gateway import Certificates, Failure, Grpc, places
from tap import ok, same


PLACE = places()
GATEWAY = Grpc(PLACE['grpc'], PLACE.get('ca'))
CERTIFICATES = Certificates(PLACE['pem'], int(PLACE['world']))

IOT = 'type.googleapis.com/yandex.cloud.iot.devices.v1.'

# the retries of the SDK; the first answer of each is thrown away
lose_first = False


class Resource:
    """The state that Terraform keeps."""

    id = ''


def call(method, request):
    """One call as the SDK makes it: with a key, the same when it retries."""

    key = str(uuid.uuid4())
    name = 'RegistryService.' + method

    if lose_first:
        GATEWAY.call(name, request, key=key)

    return GATEWAY.call(name, request, key=key)


def wait(operation, metadata, response):
    """The SDK's Wait(): types first, then the operation until it is done.
    (metadata, response)"""

    said, answered = metadata(), response()

    while True:
        if not operation.metadata.Unpack(said):
            raise AssertionError('expected operation metadata to be '
                                 + metadata.DESCRIPTOR.full_name)

        if operation.done:
            break

        operation = GATEWAY.call('OperationService.Get',
                                 {'operationId': operation.id})

    if operation.WhichOneof('result') != 'response':
        raise AssertionError('the operation failed: %s' % operation.error)

    if not operation.response.Unpack(answered):
        raise AssertionError('expected operation response to be '
                             + response.DESCRIPTOR.full_name)

    return said, answered


def configure():
    """The provider's start, with the token."""

    addresses = {endpoint.id: endpoint.address for endpoint in
                 GATEWAY.call('ApiEndpointService.List',
                              token=None).endpoints}

    for name in ('iam', 'operation', 'iot-devices', 'iotbroker',
                 'resource-manager'):
        same(addresses.get(name), PLACE['endpoint'], 'endpoint ' + name)


def create(wanted):
    request = service.CreateRegistryRequest(
        folder_id=wanted['folder_id'], name=wanted['name'],
        description=wanted['description'], labels=wanted['labels'],
        log_options=wanted['log_options'],
        certificates=[service.CreateRegistryRequest.Certificate(
            certificate_data=pem) for pem in wanted['certificates']])

    operation = call('Create', request)
    resource = Resource()
    said, _ = wait(operation, service.CreateRegistryMetadata,
                   registry_pb2.Registry)
    resource.id = said.registry_id

    return resource


def read(resource):
    """What refresh puts into the state; None: the registry is gone."""

    try:
        registry = GATEWAY.call('RegistryService.Get', service
                                .GetRegistryRequest(registry_id=resource.id))

    except Failure as failure:
        if failure.code == 5:
            return None

        raise

    return {
        'name': registry.name, 'description': registry.description,
        'folder_id': registry.folder_id, 'labels': dict(registry.labels),
        'log_options': (registry.log_options
                        if registry.HasField('log_options') else None),
        'created_at': registry.created_at.ToJsonString()}


def plan(resource, wanted):
    """The fields that differ from the configuration."""

    state = read(resource)

    return sorted(name for name in state
                  if name in wanted and state[name] != wanted[name])


def listed(resource):
    return GATEWAY.call('RegistryService.ListCertificates', service
                        .ListRegistryCertificatesRequest(
                            registry_id=resource.id)).certificates


def update(resource, old, new):
    """As the provider: fields by a mask, then certificates one by one."""

    paths = [name for name in ('name', 'description', 'labels', 'log_options')
             if old[name] != new[name]]

    if paths:
        operation = call('Update', service.UpdateRegistryRequest(
            registry_id=resource.id, name=new['name'],
            description=new['description'], labels=new['labels'],
            log_options=new['log_options'],
            update_mask=field_mask_pb2.FieldMask(paths=paths)))

        wait(operation, service.UpdateRegistryMetadata,
             registry_pb2.Registry)

    left = list(new['certificates'])
    changes = []

    for certificate in listed(resource):
        if certificate.certificate_data in left:
            left.remove(certificate.certificate_data)
            continue

        changes.append('delete')
        wait(call('DeleteCertificate',
                  service.DeleteRegistryCertificateRequest(
                      registry_id=resource.id,
                      fingerprint=certificate.fingerprint)),
             service.DeleteRegistryCertificateMetadata, empty_pb2.Empty)

    for pem in left:
        changes.append('add')
        wait(call('AddCertificate', service.AddRegistryCertificateRequest(
            registry_id=resource.id, certificate_data=pem)),
            service.AddRegistryCertificateMetadata,
            registry_pb2.RegistryCertificate)

    return changes


def destroy(resource):
    wait(call('Delete', service.DeleteRegistryRequest(
        registry_id=resource.id)),
        service.DeleteRegistryMetadata, empty_pb2.Empty)


def life(name):
    """apply, plan, apply with changes, plan, destroy, plan."""

    # the provider sets both destinations, the last one wins, be it empty
    log_options = registry_pb2.LogOptions(min_level=3)
    log_options.folder_id = 'f'
    log_options.log_group_id = ''

    # file("cert.pem") is what the file holds, a heredoc ends in a newline
    pems = [CERTIFICATES.next(text) for text in
            ('', 'subject=CN = a\r\n', '\n\n')] + [
                CERTIFICATES.next().rstrip('\n')]

    first = {'name': name, 'description': 'from Terraform',
             'folder_id': 'terraform', 'labels': {'a': 'b', 'c': ''},
             'log_options': log_options, 'certificates': pems[:3]}

    resource = create(first)

    ok(resource.id, '%s: create' % name)
    same(plan(resource, first), [], '%s: no difference after it' % name)
    ok(read(resource)['created_at'], '%s: created_at' % name)
    same(sorted(found.certificate_data for found in listed(resource)),
         sorted(pems[:3]), '%s: certificates byte for byte' % name)
    same(update(resource, first, first), [],
         '%s: nothing is added or deleted again' % name)

    second = dict(first, labels={'a': 'b2'}, certificates=pems[1:])

    same(plan(resource, second), ['labels'], '%s: the next plan' % name)
    same(update(resource, first, second), ['delete', 'add'],
         '%s: update' % name)
    same(plan(resource, second), [], '%s: no difference after it' % name)
    same(sorted(found.certificate_data for found in listed(resource)),
         sorted(pems[1:]), '%s: certificates after it' % name)

    third = dict(second, name=name + '-2', description='', labels={},
                 log_options=registry_pb2.LogOptions(disabled=True))

    update(resource, second, third)
    same(plan(resource, third), [], '%s: all of it changed' % name)

    # terraform apply with a certificate that has gone by other means
    destroyed = dict(third, certificates=[])
    same(update(resource, third, destroyed), ['delete'] * 3,
         '%s: all certificates go' % name)

    same(len(GATEWAY.call('RegistryService.ListPasswords', {
        'registryId': resource.id}).passwords), 0, '%s: passwords' % name)

    destroy(resource)
    same(read(resource), None, '%s: destroyed, and gone from the state'
         % name)


def applied():
    life('plain')


# Terraform retries UNAVAILABLE under the key of the first try.

def retried():
    global lose_first

    lose_first = True
    life('retried')
    lose_first = False


def passwords():
    try:
        GATEWAY.call('RegistryService.AddPassword', {
            'registryId': 'x', 'password': 'long enough to be one'})
        ok(False, 'a resource with passwords')

    except Failure as failure:
        same(failure.short(), '12 PASSWORDS_NOT_SERVED',
             'a resource with passwords')
        ok('passwords' in failure.message, 'says why: ' + failure.message)


tap.run(configure, applied, retried, passwords)
