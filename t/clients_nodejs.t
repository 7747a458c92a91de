#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The vendor's SDK for nodejs as it is in the npm registry, over TLS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Client;
use Test::More;

my $modules = "$FindBin::Bin/../build/clients/node_modules";

if (!-d "$modules/\@yandex-cloud/nodejs-sdk") {
    my $why = Iot::Nginx::slurp("$FindBin::Bin/../build/clients/missing")
              || 'it was not fetched, see .ci/fetch-clients';
    chomp $why;

    plan(skip_all => "no SDK for nodejs: $why");
}

my $lab = Iot::Client->start(workers => 2);

$lab->run('nodejs SDK', {
    NODE_PATH => $modules,
    IOT_GRPC => $lab->tls,
    IOT_CA => $lab->ca,
}, 'node', "$FindBin::Bin/clients/nodejs.js");

is($lab->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();
