// Copyright (C) ngx_http_iot_module authors
// SPDX-License-Identifier: BSD-2-Clause

// The registry of certificates in Go: net/http, crypto/x509 and redigo.
//
//	main PORT REDIS-SOCKET SCRIPTS
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	types       = "type.googleapis.com/"
	devices     = types + "yandex.cloud.iot.devices.v1."
	bodyLimit   = 128 * 1024
	connections = 256
	life        = 30 * 24 * time.Hour
)

type certificate struct {
	Type            string `json:"@type,omitempty"`
	RegistryID      string `json:"registryId"`
	Fingerprint     string `json:"fingerprint"`
	CertificateData string `json:"certificateData"`
	CreatedAt       string `json:"createdAt"`
}

type metadata struct {
	Type        string `json:"@type"`
	RegistryID  string `json:"registryId"`
	Fingerprint string `json:"fingerprint"`
}

type empty struct {
	Type string `json:"@type"`
}

type operation struct {
	ID          string      `json:"id"`
	Description string      `json:"description"`
	CreatedAt   string      `json:"createdAt"`
	CreatedBy   string      `json:"createdBy"`
	ModifiedAt  string      `json:"modifiedAt"`
	Done        bool        `json:"done"`
	Metadata    metadata    `json:"metadata"`
	Response    interface{} `json:"response"`
}

type status struct {
	http    int
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *status) Error() string { return s.Message }

func invalid(message string) error { return &status{400, 3, message} }

var (
	pool   *redis.Pool
	add    *redis.Script
	remove *redis.Script

	callers  = map[string]string{"Bearer bench": "bench"}
	id       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)
	encoding = base32.NewEncoding(
		"0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: main PORT REDIS-SOCKET SCRIPTS")
	}

	pool = &redis.Pool{
		MaxIdle:   connections,
		MaxActive: connections,
		Wait:      true,
		Dial: func() (redis.Conn, error) {
			return redis.Dial("unix", os.Args[2],
				redis.DialConnectTimeout(time.Second),
				redis.DialReadTimeout(2*time.Second),
				redis.DialWriteTimeout(2*time.Second))
		},
	}

	add = script("add.lua")
	remove = script("delete.lua")

	mux := http.NewServeMux()
	mux.Handle("/iot-devices/v1/registries/", handler(registries))
	mux.Handle("/operations/", handler(operations))

	server := &http.Server{
		Addr:              "127.0.0.1:" + os.Args[1],
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
	}

	log.Fatal(server.ListenAndServe())
}

func script(name string) *redis.Script {
	text, err := os.ReadFile(os.Args[3] + "/" + name)
	if err != nil {
		log.Fatal(err)
	}

	return redis.NewScript(4, string(text))
}

// Its method answers with JSON, or an error that may be a status.
type handler func(r *http.Request, caller string) ([]byte, error)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer []byte
	var err error = &status{401, 16, "the caller is not known"}

	if caller := callers[r.Header.Get("Authorization")]; caller != "" {
		answer, err = h(r, caller)
	}

	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Request-Id", requestID())

	if err != nil {
		var s *status

		if !errors.As(err, &s) {
			log.Print(err)
			s = &status{503, 14, "the store is not available"}
		}

		answer, _ = json.Marshal(s)
		header.Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(s.http)
	} else {
		header.Set("Content-Length", strconv.Itoa(len(answer)))
	}

	w.Write(answer)
}

// The path is REGISTRY/certificates or REGISTRY/certificates/FINGERPRINT.
func registries(r *http.Request, caller string) ([]byte, error) {
	path := strings.TrimPrefix(r.URL.Path, "/iot-devices/v1/registries/")
	part := strings.Split(path, "/")

	if len(part) < 2 || len(part) > 3 || part[1] != "certificates" {
		return nil, &status{404, 5, "there is no such method"}
	}

	if !id.MatchString(part[0]) {
		return nil, invalid("registry_id is not an id")
	}

	switch {
	case len(part) == 2 && r.Method == http.MethodPost:
		return addCertificate(r, caller, part[0])
	case len(part) == 2 && r.Method == http.MethodGet:
		return listCertificates(r, part[0])
	case len(part) == 3 && r.Method == http.MethodDelete:
		return deleteCertificate(caller, part[0], part[2])
	}

	return nil, &status{405, 12, "the method is not allowed"}
}

func addCertificate(r *http.Request, caller, registry string) ([]byte,
	error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	if err != nil || len(body) > bodyLimit {
		return nil, &status{413, 3, "the body is too large"}
	}

	var request struct {
		CertificateData string `json:"certificateData"`
	}

	if err := json.Unmarshal(body, &request); err != nil {
		return nil, invalid("the body is not JSON")
	}

	now := time.Now()
	der, err := check(request.CertificateData, now)
	if err != nil {
		return nil, err
	}

	sum := sha256.Sum256(der)
	fingerprint := hex.EncodeToString(sum[:])

	record := certificate{
		RegistryID:      registry,
		Fingerprint:     fingerprint,
		CertificateData: request.CertificateData,
		CreatedAt:       timestamp(now),
	}

	certificateJSON, err := json.Marshal(&record)
	if err != nil {
		return nil, err
	}

	record.Type = devices + "RegistryCertificate"

	op := begin("Add registry certificate", caller, now)
	op.Metadata = metadata{devices + "AddRegistryCertificateMetadata",
		registry, fingerprint}
	op.Response = &record

	answer, err := json.Marshal(op)
	if err != nil {
		return nil, err
	}

	first, err := redis.String(run(add, op.ID, answer, now,
		"certificate:"+fingerprint, registry,
		record.CreatedAt+":"+fingerprint, certificateJSON))

	switch err {
	case redis.ErrNil:
		return answer, nil
	case nil:
		return nil, &status{409, 6, "exists, added by operation " + first}
	}

	return nil, err
}

// The DER of a PEM with one certificate that may be registered.
func check(text string, now time.Time) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, invalid("certificate_data has no certificate")
	}

	if other, _ := pem.Decode(rest); other != nil {
		return nil, invalid("certificate_data has several blocks")
	}

	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, invalid("certificate_data cannot be parsed")
	}

	switch key := x.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return nil, invalid("certificate_data has a weak key")
		}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return nil, invalid("certificate_data has a weak key")
		}
	case ed25519.PublicKey:
	default:
		return nil, invalid("certificate_data has an unsupported key")
	}

	if now.Before(x.NotBefore) || now.After(x.NotAfter) {
		return nil, invalid("certificate_data is not valid now")
	}

	return block.Bytes, nil
}

func deleteCertificate(caller, registry, fingerprint string) ([]byte,
	error) {
	fingerprint = strings.ToLower(fingerprint)

	if sum, err := hex.DecodeString(fingerprint); err != nil ||
		len(sum) != sha256.Size {
		return nil, invalid("fingerprint is not a fingerprint")
	}

	now := time.Now()
	op := begin("Delete registry certificate", caller, now)
	op.Metadata = metadata{devices + "DeleteRegistryCertificateMetadata",
		registry, fingerprint}
	op.Response = &empty{types + "google.protobuf.Empty"}

	answer, err := json.Marshal(op)
	if err != nil {
		return nil, err
	}

	done, err := redis.Bool(run(remove, op.ID, answer, now,
		"certificate:"+fingerprint, registry, registry, fingerprint))

	if err == nil && !done {
		return nil, &status{404, 5, "there is no such certificate"}
	}

	return answer, err
}

func listCertificates(r *http.Request, registry string) ([]byte, error) {
	query := r.URL.Query()
	size := 100
	first := "-"

	if value := query.Get("pageSize"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 1000 {
			return nil, invalid("page_size is not from 1 to 1000")
		}
		size = n
	}

	if token := query.Get("pageToken"); token != "" {
		first = "(" + token
	}

	conn := pool.Get()
	defer conn.Close()

	members, err := redis.Strings(conn.Do("ZRANGEBYLEX",
		"registry:"+registry+":certificates", first, "+",
		"LIMIT", 0, size+1))
	if err != nil {
		return nil, err
	}

	next := ""
	if len(members) > size {
		members = members[:size]
		next = members[size-1]
	}

	for _, member := range members {
		fingerprint := member[strings.LastIndexByte(member, ':')+1:]

		if err := conn.Send("HGET", "certificate:"+fingerprint,
			"certificate"); err != nil {
			return nil, err
		}
	}

	if err := conn.Flush(); err != nil {
		return nil, err
	}

	var answer bytes.Buffer

	answer.WriteString(`{"certificates":[`)

	for i := range members {
		record, err := redis.Bytes(conn.Receive())
		if err != nil {
			return nil, err
		}
		if i > 0 {
			answer.WriteByte(',')
		}
		answer.Write(record)
	}

	answer.WriteByte(']')
	if next != "" {
		answer.WriteString(`,"nextPageToken":"` + next + `"`)
	}
	answer.WriteByte('}')

	return answer.Bytes(), nil
}

func operations(r *http.Request, caller string) ([]byte, error) {
	conn := pool.Get()
	defer conn.Close()

	answer, err := redis.Bytes(conn.Do("GET",
		"operation:"+strings.TrimPrefix(r.URL.Path, "/operations/")))
	if err == redis.ErrNil {
		return nil, &status{404, 5, "there is no such operation"}
	}

	return answer, err
}

func begin(description, caller string, now time.Time) *operation {
	at := timestamp(now)

	return &operation{
		ID:          operationID(),
		Description: description,
		CreatedAt:   at,
		CreatedBy:   caller,
		ModifiedAt:  at,
		Done:        true,
	}
}

// The keys and arguments that both scripts have, around two of their own.
func run(s *redis.Script, op string, answer []byte, now time.Time,
	key, registry string, one, two interface{}) (interface{}, error) {
	conn := pool.Get()
	defer conn.Close()

	return s.Do(conn,
		key, "registry:"+registry+":certificates",
		"operation:"+op, "registry:"+registry+":operations",
		one, two, op, answer,
		int(life/time.Second), now.UnixMilli(), now.Add(-life).UnixMilli())
}

func timestamp(at time.Time) string {
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func operationID() string {
	var random [13]byte

	rand.Read(random[:])

	return encoding.EncodeToString(random[:])[:20]
}

func requestID() string {
	var random [16]byte

	rand.Read(random[:])

	return hex.EncodeToString(random[:])
}
