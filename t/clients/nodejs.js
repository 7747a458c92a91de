// Copyright (C) ngx_http_iot_module authors
// SPDX-License-Identifier: BSD-2-Clause

// The SDK of Yandex Cloud for nodejs, unmodified, as its users call it: what
// it is told of is the address, the authority and a token.

'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const {
    Session, waitForOperation, decodeMessage, serviceClients, cloudApi,
} = require('@yandex-cloud/nodejs-sdk');

const protobuf = require('protobufjs');
const { Status } = require(
    '@yandex-cloud/nodejs-sdk/dist/generated/google/rpc/status');

const proto = path.join(__dirname, '../../proto/google/rpc');
const types = protobuf.loadSync(path.join(proto, 'error_details.proto'));

const R = cloudApi.iot.devices_registry_service;
const D = cloudApi.iot.devices_device_service;
const { Registry, RegistryCertificate } = cloudApi.iot.devices_registry;

const endpoint = process.env.IOT_GRPC;
const ssl = { rootCerts: fs.readFileSync(process.env.IOT_CA) };

const session = new Session({ iamToken: 'alice', ssl, pollInterval: 20 });
const client = session.client(serviceClients.IotRegistryServiceClient,
                              endpoint);

let number = 0;
let failed = 0;
let made = 0;

const block = fs.readFileSync(process.env.IOT_CERTIFICATE, 'ascii')
    .match(/-----BEGIN CERTIFICATE-----([^]*?)-----END/)[1];


function ok(condition, name)
{
    number++;

    if (!condition) {
        failed++;
    }

    console.log(`${condition ? 'ok' : 'not ok'} ${number} - ${name}`);
}


function same(got, expected, name)
{
    const [g, e] = [got, expected].map((value) => JSON.stringify(value));

    ok(g === e, name);

    if (g !== e) {
        console.log(`#      got: ${g}\n# expected: ${e}`);
    }
}


// nobody looks at a certificate's signature: as many as are wanted of one

function certificate()
{
    const der = Buffer.from(block, 'base64');

    der.writeUIntBE(0x800000 + ++made, der.length - 3, 3);

    return '-----BEGIN CERTIFICATE-----\n'
           + der.toString('base64').replace(/.{64}/g, '$&\n')
           + '\n-----END CERTIFICATE-----\n';
}


function fingerprint(pem)
{
    const base64 = pem.replace(/-----.*?-----/g, '');

    return crypto.createHash('sha256').update(Buffer.from(base64, 'base64'))
        .digest('hex');
}


async function wait(operation)
{
    return waitForOperation(operation, session, 60000, endpoint);
}


async function create(fields)
{
    const operation = await wait(await client.create(
        R.CreateRegistryRequest.fromPartial({ folderId: 'node', ...fields })));

    return decodeMessage(operation.response);
}


function add(registryId, certificateData, options)
{
    return client.addCertificate(R.AddRegistryCertificateRequest.fromPartial({
        registryId, certificateData }), options);
}


async function list(registryId)
{
    const answer = await client.listCertificates(
        R.ListRegistryCertificatesRequest.fromPartial({ registryId }));

    return answer.certificates.map((found) => found.certificateData);
}


// what a call is refused with: the code as users see it, the details decoded

async function refused(call)
{
    let trailer;

    try {
        await call({ onTrailer: (metadata) => { trailer = metadata; } });

    } catch (error) {
        const said = {};
        const bytes = trailer && trailer.get('grpc-status-details-bin');

        if (bytes) {
            const status = Status.decode(bytes);

            said.code = status.code;

            for (const any of status.details) {
                const name = any.typeUrl.replace(/.*\//, '');
                const type = types.lookupType(name);

                said[type.name] = type.toObject(type.decode(any.value));
            }
        }

        return { error, said };
    }

    return { error: {}, said: {} };
}


async function registries()
{
    const registry = await create({
        name: 'one', description: 'первый', labels: { a: 'b' } });

    same([registry.folderId, registry.name, registry.description,
          registry.labels, registry.status],
         ['node', 'one', 'первый', { a: 'b' }, 2], 'create');

    const { id } = registry;
    const get = () => client.get(R.GetRegistryRequest.fromPartial({
        registryId: id }));

    same(Registry.toJSON(await get()), Registry.toJSON(registry), 'get');

    const updated = decodeMessage((await wait(await client.update(
        R.UpdateRegistryRequest.fromPartial({
            registryId: id, name: 'two', description: 'not in the mask',
            updateMask: { paths: ['name', 'labels'] } })))).response);

    same([updated.name, updated.description, updated.labels],
         ['two', 'первый', {}], 'update with a mask');

    const answer = await client.list(R.ListRegistriesRequest.fromPartial({
        folderId: 'node' }));

    same(answer.registries.map((found) => found.name), ['two'], 'list');
    same((await client.getByName(R.GetByNameRegistryRequest.fromPartial({
        folderId: 'node', registryName: 'two' }))).id, id, 'get by name');

    const passwords = await client.listPasswords(
        R.ListRegistryPasswordsRequest.fromPartial({ registryId: id }));

    same(passwords.passwords, [], 'no passwords');

    await wait(await client.delete(R.DeleteRegistryRequest.fromPartial({
        registryId: id })));

    same((await refused(get)).error.code, 5, 'deleted');
}


async function certificates()
{
    const { id } = await create({ name: 'certificates' });
    const pem = certificate();
    const operation = await add(id, pem);

    same(operation.description, 'Add registry certificate', 'add');
    same(decodeMessage(operation.metadata).fingerprint, fingerprint(pem),
         'its metadata');

    const done = await wait(operation);
    const added = decodeMessage(done.response);

    ok(done.done, 'wait');
    same(RegistryCertificate.toJSON(added).certificateData, pem,
         'the certificate, byte for byte');
    same(await list(id), [pem], 'list');

    const { error, said } = await refused((options) => add(id, pem, options));

    same([error.name, error.code], ['ClientError', 6], 'a duplicate');
    same(said.code, 6, 'a duplicate: the details');
    same(said.ErrorInfo, {
        reason: 'CERTIFICATE_EXISTS', domain: 'ngx_http_iot_module',
        metadata: { registry: 'this', operationId: operation.id },
    }, 'a duplicate: why');
    same(said.ResourceInfo.resourceName, fingerprint(pem),
         'a duplicate: of what');

    const remove = () => client.deleteCertificate(
        R.DeleteRegistryCertificateRequest.fromPartial({
            registryId: id, fingerprint: fingerprint(pem) }));

    await wait(await remove());
    same(await list(id), [], 'delete');
    same((await refused(remove)).error.code, 5, 'and not twice');
}


async function errors()
{
    const { id } = await create({ name: 'errors' });
    const nobody = new Session({ iamToken: 'mallory', ssl })
        .client(serviceClients.IotRegistryServiceClient, endpoint);
    const devices = session.client(serviceClients.DeviceServiceClient,
                                   endpoint);
    const operations = session.client(serviceClients.OperationServiceClient,
                                      endpoint);
    const get = (registryId) => R.GetRegistryRequest.fromPartial({
        registryId });

    const cases = [
        [3, 'CERTIFICATE_NO_PEM', 'certificate_data',
         (options) => add(id, 'no certificate', options)],
        [3, 'CERTIFICATE_REQUIRED', 'certificate_data',
         (options) => add(id, '', options)],
        [3, 'PRIVATE_KEY_IN_BODY', 'certificate_data',
         (options) => add(id, '-----BEGIN PRIVATE KEY-----\nAA==\n'
                              + '-----END PRIVATE KEY-----\n', options)],
        [3, 'INVALID_FIELD', 'registry_id',
         (options) => client.get(get('a b'), options)],
        [5, 'REGISTRY_NOT_FOUND', undefined,
         (options) => client.get(get('none'), options)],
        [5, 'OPERATION_NOT_FOUND', undefined,
         (options) => operations.get({ operationId: 'none' }, options)],
        [6, 'REGISTRY_NAME_EXISTS', undefined,
         (options) => client.create(R.CreateRegistryRequest.fromPartial({
             folderId: 'node', name: 'errors' }), options)],
        [16, 'CALLER_REQUIRED', undefined,
         (options) => nobody.get(get(id), options)],
        [12, 'PASSWORDS_NOT_SERVED', undefined,
         (options) => client.addPassword(
             R.AddRegistryPasswordRequest.fromPartial({
                 registryId: id, password: 'a long password' }), options)],
    ];

    for (const [code, reason, field, call] of cases) {
        const { error, said } = await refused(call);

        same([error.code, said.ErrorInfo && said.ErrorInfo.reason],
             [code, reason], reason);
        ok(error.details, `${reason}: ${error.details}`);

        if (field) {
            same(said.BadRequest.fieldViolations[0].field, field,
                 `${reason}: field`);
        }

        ok(said.RequestInfo && said.RequestInfo.requestId,
           `${reason}: request id`);
    }

    for (const call of [
        () => devices.list(D.ListDevicesRequest.fromPartial({
            registryId: id })),
        () => client.listDeviceTopicAliases(
            R.ListDeviceTopicAliasesRequest.fromPartial({ registryId: id })),
    ]) {
        same((await refused(call)).error.code, 12, 'what is not served');
    }
}


async function headers()
{
    const { id } = await create({ name: 'headers' });
    const pem = certificate();
    const repeated = new Session({ iamToken: 'alice', ssl, headers: {
        'idempotency-key': crypto.randomUUID() } })
        .client(serviceClients.IotRegistryServiceClient, endpoint);
    const request = R.AddRegistryCertificateRequest.fromPartial({
        registryId: id, certificateData: pem });

    const first = await repeated.addCertificate(request);
    const second = await repeated.addCertificate(request);

    same(second.id, first.id, 'idempotency-key');
}


// Nothing is lost when a thousand calls come at once on one connection, nor
// when nginx reads its configuration anew in their midst.

async function burst(name, half)
{
    const { id } = await create({ name });
    const pems = Array.from({ length: 1000 }, certificate);
    let answered = 0;

    const results = await Promise.allSettled(pems.map(async (pem, n) => {
        const operation = await add(id, pem);

        answered++;

        if (half && answered === 300) {
            half();
        }

        return operation.done;
    }));

    const lost = results.filter((result) => result.value !== true);

    same(lost.length, 0, `${name}: 1000 calls, none is lost`);

    for (const result of lost.slice(0, 3)) {
        console.log(`# ${result.reason}`);
    }

    same((await list(id)).sort(), pems.sort(), `${name}: all are there`);
}


async function reloaded()
{
    await burst('reload', () => process.kill(process.env.IOT_PID, 'SIGHUP'));
}


async function main()
{
    const parts = [registries, certificates, errors, headers,
                   () => burst('burst'), reloaded];

    for (const part of parts) {
        try {
            await part();

        } catch (error) {
            ok(false, `${part.name} comes to its end`);
            console.log(`# ${error.stack}`.replace(/\n/g, '\n# '));
        }
    }

    console.log(`1..${number}`);
    process.exit(failed ? 1 : 0);
}


process.on('unhandledRejection', (error) => {
    ok(false, `a rejection that nobody has handled: ${error}`);
});

main();
