# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

"""A gateway as its clients see it, by gRPC and by REST, in the same words.

    call('RegistryService.Get', {'registryId': 'fleet'})

The request is the JSON of the message, and so is the answer of called(); an
answer of call() is the message.  An error is a Failure, whatever it came by.
Messages are those that protoc has made of proto/; a test finds where things
are in its environment.
"""

import base64
import http.client
import json
import os
import re
import socket
import urllib.parse

import grpc

from google.protobuf import json_format, symbol_database
from google.rpc import error_details_pb2  # noqa: F401, known to Any
from google.rpc import status_pb2
from yandex.cloud.endpoint import api_endpoint_service_pb2
from yandex.cloud.iot.devices.v1 import registry_service_pb2
from yandex.cloud.operation import operation_service_pb2


PACKAGES = {
    'RegistryService': registry_service_pb2,
    'OperationService': operation_service_pb2,
    'ApiEndpointService': api_endpoint_service_pb2,
}

REGISTRIES = '/iot-devices/v1/registries'
REGISTRY = REGISTRIES + '/{registryId}'

ROUTES = {
    'RegistryService.Get': ('GET', REGISTRY),
    'RegistryService.GetByName': ('GET', REGISTRIES + ':getByName'),
    'RegistryService.List': ('GET', REGISTRIES),
    'RegistryService.Create': ('POST', REGISTRIES),
    'RegistryService.Update': ('PATCH', REGISTRY),
    'RegistryService.Delete': ('DELETE', REGISTRY),
    'RegistryService.Enable': ('POST', REGISTRY + ':enable'),
    'RegistryService.Disable': ('POST', REGISTRY + ':disable'),
    'RegistryService.ListCertificates': ('GET', REGISTRY + '/certificates'),
    'RegistryService.AddCertificate': ('POST', REGISTRY + '/certificates'),
    'RegistryService.DeleteCertificate':
        ('DELETE', REGISTRY + '/certificates/{fingerprint}'),
    'RegistryService.ListPasswords': ('GET', REGISTRY + '/passwords'),
    'RegistryService.AddPassword': ('POST', REGISTRY + '/passwords'),
    'RegistryService.DeletePassword':
        ('DELETE', REGISTRY + '/passwords/{passwordId}'),
    'RegistryService.ListOperations': ('GET', REGISTRY + '/operations'),
    'OperationService.Get': ('GET', '/operations/{operationId}'),
    'OperationService.Cancel': ('POST', '/operations/{operationId}:cancel'),
    'ApiEndpointService.Get': ('GET', '/endpoints/{apiEndpointId}'),
    'ApiEndpointService.List': ('GET', '/endpoints'),
}


class Failure(Exception):
    """A google.rpc.Status: code, message, details as JSON has them."""

    def __init__(self, code, message, details):
        Exception.__init__(self, '%d %s %r' % (code, message, details))
        self.code = code
        self.message = message
        self.details = details

    def detail(self, name):
        """The detail of google.rpc.name, or {}."""

        for detail in self.details:
            if detail['@type'] == 'type.googleapis.com/google.rpc.' + name:
                return detail

        return {}

    def reason(self):
        return self.detail('ErrorInfo').get('reason')

    def short(self):
        """Code, reason, and the field or resource that it names."""

        violation = self.detail('BadRequest').get('fieldViolations',
                                                  [{}])[0]

        return ' '.join(str(word) for word in (
            self.code, self.reason(), violation.get('field'),
            self.detail('ResourceInfo').get('resourceName')) if word)


def refusal(call, *args, **options):
    """The short() of what it is refused with, 'no error' when it is not."""

    try:
        call(*args, **options)

    except Failure as failure:
        return failure.short()

    return 'no error'


class Client:
    def metadata(self, token, key):
        metadata = []

        if token:
            metadata.append(('authorization', 'Bearer ' + token))

        if key:
            metadata.append(('idempotency-key', key))

        return metadata


class Grpc(Client):
    """Over one channel, with TLS when there is a ca, a file's name."""

    name = 'gRPC'

    def __init__(self, address, ca=None, options=()):
        if ca:
            with open(ca, 'rb') as file:
                credentials = grpc.ssl_channel_credentials(file.read())

            self.channel = grpc.secure_channel(address, credentials,
                                               options=options)

        else:
            self.channel = grpc.insecure_channel(address, options=options)

    def method(self, name):
        """The callable of grpcio, and the class of its requests."""

        service, method = name.split('.')
        module = PACKAGES[service]
        descriptor = module.DESCRIPTOR.services_by_name[service]
        found = descriptor.methods_by_name[method]
        classes = symbol_database.Default()
        request = classes.GetPrototype(found.input_type)
        answer = classes.GetPrototype(found.output_type)

        return self.channel.unary_unary(
            '/%s/%s' % (descriptor.full_name, method),
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString), request

    def start(self, name, request=None, token='alice', key=None, timeout=30,
              **options):
        """The call as a future, which raises what grpcio raises."""

        callable, message = self.method(name)

        if not isinstance(request, message):
            request = json_format.ParseDict(request or {}, message())

        return callable.future(request, timeout=timeout,
                               metadata=self.metadata(token, key), **options)

    def call(self, name, request=None, **options):
        return result(self.start(name, request, **options))

    def called(self, name, request=None, **options):
        return plain(self.call(name, request, **options))

    def raw(self, path, message=b'', **options):
        """A call of any path with any bytes."""

        callable = self.channel.unary_unary(path)

        return result(callable.future(
            message, timeout=30, metadata=self.metadata('alice', None),
            **options))


def plain(message):
    """Its JSON."""

    return json_format.MessageToDict(message)


def result(future):
    try:
        return future.result()

    except grpc.RpcError as error:
        raise failure(error) from None


def failure(error):
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status()
    status.ParseFromString(trailers.get('grpc-status-details-bin', b''))

    code = error.code().value[0]

    if status.details and status.code != code:
        raise AssertionError('code %d, in the details %d'
                             % (code, status.code))

    return Failure(code, error.details(),
                   [json_format.MessageToDict(detail)
                    for detail in status.details])


class Rest(Client):
    """Each request on a connection of its own."""

    name = 'REST'

    def __init__(self, address):
        self.address = address

    def called(self, name, request=None, token='alice', key=None):
        verb, path = ROUTES[name]
        fields = dict(request or {})

        path = re.sub(r'\{(\w+)\}', lambda field: urllib.parse.quote(
            str(fields.pop(field[1], '')), safe=''), path)

        body = None

        if verb in ('POST', 'PATCH'):
            body = json.dumps(fields, separators=(',', ':'))

        elif fields:
            path += '?' + urllib.parse.urlencode(fields)

        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request(verb, path, body,
                           dict(self.metadata(token, key)))
        answer = connection.getresponse()
        value = json.loads(answer.read())
        connection.close()

        if answer.status != 200:
            raise Failure(value['code'], value['message'], value['details'])

        return value


class Redis:
    """Commands of plain words; what is answered, as text."""

    def __init__(self, path):
        self.path = path

    def command(self, *words):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)

        with connection, connection.makefile('rwb') as stream:
            stream.write((' '.join(words) + '\r\n').encode())
            stream.flush()
            line = stream.readline().decode().strip()

            if line.startswith('$'):
                return stream.read(int(line[1:])).decode()

            return line

    def waits(self):
        """Whether a command waits for the end of a CLIENT PAUSE."""

        return 'blocked_clients:0' not in self.command('INFO', 'clients')


def places():
    """What the test in Perl says: channels, files, certificates."""

    place = {name[len('IOT_'):].lower(): value
             for name, value in os.environ.items() if name.startswith('IOT_')}

    with open(place['certificate'], encoding='ascii') as file:
        place['pem'] = file.read()

    return place


class Certificates:
    """As many as are wanted, of one: nobody looks at their signatures."""

    def __init__(self, pem, world=0):
        block = re.search('-----BEGIN CERTIFICATE-----(.*?)-----END', pem,
                          re.S)
        self.der = base64.b64decode(block[1])
        self.world = world
        self.number = 0

    def next(self, text=''):
        """PEM, with that text before the block."""

        self.number += 1
        tail = self.world << 20 | self.number
        der = self.der[:-3] + tail.to_bytes(3, 'big')

        return (text + '-----BEGIN CERTIFICATE-----\n'
                + base64.encodebytes(der).decode()
                + '-----END CERTIFICATE-----\n')
