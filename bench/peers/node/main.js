// Copyright (C) ngx_http_iot_module authors
// SPDX-License-Identifier: BSD-2-Clause

// The registry of certificates in Node: http, X509Certificate and ioredis.
//
//     main.js PORT REDIS-SOCKET SCRIPTS

'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const Redis = require('ioredis');

const [port, socket, scripts] = process.argv.slice(2);

const TYPES = 'type.googleapis.com/';
const DEVICES = TYPES + 'yandex.cloud.iot.devices.v1.';
const BODY_LIMIT = 128 * 1024;
const LIFE = 30 * 24 * 3600;
const REGISTRIES = '/iot-devices/v1/registries/';
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const DIGITS = '0123456789abcdefghijklmnopqrstuv';
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----/g;

const callers = new Map([['Bearer bench', 'bench']]);

const redis = new Redis({
    path: socket,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    commandTimeout: 2000,
});

for (const [name, file] of [['addCertificate', 'add.lua'],
                            ['deleteCertificate', 'delete.lua']]) {
    redis.defineCommand(name, {
        numberOfKeys: 4,
        lua: fs.readFileSync(`${scripts}/${file}`, 'utf8'),
    });
}

redis.on('error', (err) => console.error(err.message));


class Status extends Error {
    constructor(http, code, message) {
        super(message);
        this.http = http;
        this.code = code;
    }
}

const invalid = (message) => new Status(400, 3, message);


function readBody(request) {
    return new Promise((resolve, reject) => {
        const chunks = [];
        let size = 0;

        request.on('data', (chunk) => {
            size += chunk.length;

            if (size > BODY_LIMIT) {
                reject(new Status(413, 3, 'the body is too large'));
                return;
            }

            chunks.push(chunk);
        });

        request.on('end', () => resolve(Buffer.concat(chunks).toString()));
        request.on('error', reject);
    });
}


// The certificate of a PEM that has one, and it may be registered.

function check(text, now) {
    if (typeof text !== 'string') {
        throw invalid('certificate_data is not a string');
    }

    const blocks = [...text.matchAll(BLOCK)];

    if (blocks.length !== 1 || blocks[0][1] !== 'CERTIFICATE') {
        throw invalid('certificate_data has not one certificate');
    }

    let x509, key;

    try {
        x509 = new crypto.X509Certificate(text);
        key = x509.publicKey;
    } catch {
        throw invalid('certificate_data cannot be parsed');
    }

    const details = key.asymmetricKeyDetails;

    switch (key.asymmetricKeyType) {
    case 'rsa':
        if (details.modulusLength < 2048) {
            throw invalid('certificate_data has a weak key');
        }
        break;

    case 'ec':
        if (!CURVES.has(details.namedCurve)) {
            throw invalid('certificate_data has a weak key');
        }
        break;

    case 'ed25519':
        break;

    default:
        throw invalid('certificate_data has an unsupported key');
    }

    if (now < Date.parse(x509.validFrom) || now > Date.parse(x509.validTo)) {
        throw invalid('certificate_data is not valid now');
    }

    return x509;
}


function operationId() {
    let id = '';

    for (const byte of crypto.randomBytes(20)) {
        id += DIGITS[byte & 31];
    }

    return id;
}


function operation(description, caller, now, metadata, response) {
    const at = new Date(now).toISOString();

    return {
        id: operationId(),
        description,
        createdAt: at,
        createdBy: caller,
        modifiedAt: at,
        done: true,
        metadata,
        response,
    };
}


const keys = (registry, fingerprint, id) => [
    `certificate:${fingerprint}`, `registry:${registry}:certificates`,
    `operation:${id}`, `registry:${registry}:operations`,
];


async function addCertificate(request, caller, registry) {
    const body = await readBody(request);
    let message;

    try {
        message = JSON.parse(body);
    } catch {
        throw invalid('the body is not JSON');
    }

    const now = Date.now();
    const pem = message.certificateData;
    const x509 = check(pem, now);
    const fingerprint = crypto.createHash('sha256').update(x509.raw)
        .digest('hex');

    const record = {
        registryId: registry,
        fingerprint,
        certificateData: pem,
        createdAt: new Date(now).toISOString(),
    };

    const op = operation('Add registry certificate', caller, now, {
        '@type': DEVICES + 'AddRegistryCertificateMetadata',
        registryId: registry,
        fingerprint,
    }, { '@type': DEVICES + 'RegistryCertificate', ...record });

    const answer = JSON.stringify(op);

    const first = await redis.addCertificate(
        ...keys(registry, fingerprint, op.id),
        `${record.createdAt}:${fingerprint}`, JSON.stringify(record), op.id,
        answer, LIFE, now, now - LIFE * 1000);

    if (first) {
        throw new Status(409, 6, `exists, added by operation ${first}`);
    }

    return answer;
}


async function deleteCertificate(caller, registry, fingerprint) {
    if (!/^[0-9a-fA-F]{64}$/.test(fingerprint)) {
        throw invalid('fingerprint is not a fingerprint');
    }

    fingerprint = fingerprint.toLowerCase();

    const now = Date.now();
    const op = operation('Delete registry certificate', caller, now, {
        '@type': DEVICES + 'DeleteRegistryCertificateMetadata',
        registryId: registry,
        fingerprint,
    }, { '@type': TYPES + 'google.protobuf.Empty' });

    const answer = JSON.stringify(op);

    const done = await redis.deleteCertificate(
        ...keys(registry, fingerprint, op.id),
        registry, fingerprint, op.id, answer, LIFE, now, now - LIFE * 1000);

    if (!done) {
        throw new Status(404, 5, 'there is no such certificate');
    }

    return answer;
}


async function listCertificates(query, registry) {
    const size = Number(query.get('pageSize') || 100);
    const token = query.get('pageToken');

    if (!(size >= 1 && size <= 1000)) {
        throw invalid('page_size is not from 1 to 1000');
    }

    const members = await redis.zrangebylex(
        `registry:${registry}:certificates`, token ? `(${token}` : '-', '+',
        'LIMIT', 0, size + 1);
    const page = members.slice(0, size);

    const records = await Promise.all(page.map((member) => redis.hget(
        `certificate:${member.slice(member.lastIndexOf(':') + 1)}`,
        'certificate')));

    const next = members.length > size
        ? `,"nextPageToken":${JSON.stringify(page[size - 1])}` : '';

    return `{"certificates":[${records.join()}]${next}}`;
}


function route(request, caller) {
    const [path, search] = request.url.split('?', 2);

    if (path.startsWith('/operations/')) {
        return getOperation(path.slice('/operations/'.length));
    }

    const [registry, collection, fingerprint, rest] = path.startsWith(
        REGISTRIES) ? path.slice(REGISTRIES.length).split('/') : [];

    if (collection !== 'certificates' || rest !== undefined) {
        throw new Status(404, 5, 'there is no such method');
    }

    if (!/^[A-Za-z0-9_-]{1,50}$/.test(registry)) {
        throw invalid('registry_id is not an id');
    }

    if (fingerprint === undefined) {
        switch (request.method) {
        case 'POST':
            return addCertificate(request, caller, registry);
        case 'GET':
            return listCertificates(new URLSearchParams(search), registry);
        }

    } else if (request.method === 'DELETE') {
        return deleteCertificate(caller, registry, fingerprint);
    }

    throw new Status(405, 12, 'the method is not allowed');
}


async function getOperation(id) {
    const answer = await redis.get(`operation:${id}`);

    if (answer === null) {
        throw new Status(404, 5, 'there is no such operation');
    }

    return answer;
}


async function answer(request) {
    try {
        const caller = callers.get(request.headers.authorization);

        if (!caller) {
            throw new Status(401, 16, 'the caller is not known');
        }

        return [200, await route(request, caller)];

    } catch (err) {
        if (!(err instanceof Status)) {
            console.error(err.message);
            err = new Status(503, 14, 'the store is not available');
        }

        return [err.http, JSON.stringify({ code: err.code,
                                           message: err.message })];
    }
}


http.createServer(async (request, response) => {
    const [status, body] = await answer(request);

    response.writeHead(status, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'Cache-Control': 'no-store',
        'x-request-id': crypto.randomUUID().replaceAll('-', ''),
    });
    response.end(body);
}).listen(Number(port), '127.0.0.1');
