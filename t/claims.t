#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# One certificate, one owner: on one Redis and on a cluster, where a
# certificate's claim and its registry are in different slots.  Claims that
# are worth nothing, clients that race on two workers, and workers that are
# killed between the steps.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha1 sha256 sha256_hex);
use Iot;
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

# claims are not doubted for so long, ms
my $PATIENCE = 5000;

my $key = '0f8fad5b-d9cb-469f-a165-70867728950e';
my @digits = (0 .. 9, 'a' .. 'v');
my $template = der(certificate());
my $number = 0;

my ($lab, $cluster, $store, $nginx);

for (qw(single cluster)) {
    $lab = $_;

    start_lab();
    $nginx = gateway_with('timeout 20s');

    one_owner();
    scripts_of_an_add();
    stale_claims();
    claims_in_the_way();
    refused();
    newer_claims();

    is($nginx->stop, '', "$lab: nginx stops, its log is clean");

    $nginx = gateway_with('timeout 20s', workers => 2);

    race_of_registries();
    race_of_keys();
    race_of_deletes();

    is($nginx->stop, '', "$lab: nginx stops after the races");
}

killed_before_commit();
killed_after_commit_was_sent();
sleeps_before_commit();
killed_in_create($_) for 'a key', 'no key';
killed_before_release();
killed_after_release_was_sent();
claim_not_answered();
commit_not_sent();
commit_not_answered();
client_leaves();
tasks_at_exit();

done_testing();


# ---- what is tested -------------------------------------------------------

sub one_owner {
    fresh('fleet', 'plant-7');

    my $pem = new_certificate();
    my $added = add('fleet', $pem);
    my $id = id($added);

    is($added->{status}, 200, "$lab: an add");
    is(claim_of($pem), "fleet $id", '... has claimed its certificate');
    is(answer(add('fleet', $pem)->{body}), exists_in($pem, 'this', $id),
       '... again');
    is(answer(add('plant-7', $pem)->{body}), exists_in($pem, 'another'),
       '... in another registry');
    is(claim_of($pem), "fleet $id", '... which changes nothing');

    is(remove('fleet', $pem)->{status}, 200, "$lab: a delete");
    ok(wait_until(sub { claim_of($pem) eq '' }),
       '... gives the claim back');
    is(add('plant-7', $pem)->{status}, 200, '... and another may have it');
    is(owners($pem), 'plant-7', '... it alone');
}


# One on a single node; claim and commit on a cluster, and what a delete gives
# back, whatever the number of masters.

sub scripts_of_an_add {
    my $cluster = $lab eq 'cluster';

    fresh('fleet');

    # links are made, and the scripts of all nodes are known
    my $first = new_certificate();

    add('fleet', $first);
    remove('fleet', $first);

    # the claim is given back when the delete has been answered
    wait_until(sub { claim_of($first) eq '' });

    my @pem = map { new_certificate() } 1 .. 10;
    my $before = scripts();

    add('fleet', $_) for @pem;
    is(scripts() - $before, $cluster ? 20 : 10,
       "$lab: scripts of ten adds");

    $before = scripts();
    remove('fleet', $_) for @pem;
    ok(wait_until(sub { scripts() - $before >= ($cluster ? 20 : 10) }),
       "$lab: scripts of ten deletes");
    is(scripts() - $before, $cluster ? 20 : 10, '... and no more');
}


# those whose operation has not come so far, and will not any more

sub stale_claims {
    my $old = time() * 1000 - $PATIENCE - 1000;

    for my $holder ('plant-7', 'fleet') {
        fresh('fleet', 'plant-7');

        my $pem = new_certificate();
        my $operation = operation_id($holder, $old);

        claim($pem, $holder, $operation);

        my $added = add('fleet', $pem);

        is($added->{status}, 200, "$lab: an old claim of $holder");
        is(claim_of($pem), 'fleet ' . id($added), '... is taken over');
        is(store('EXISTS', registry_tag($holder) . ":a:$operation"), 1,
           '... its operation is fenced off');
        is(owners($pem), 'fleet', '... one owner');
    }

    # a registry that is being deleted owns nothing, whatever it still has

    fresh('fleet', 'plant-7');

    my $pem = new_certificate();
    add('plant-7', $pem);
    store('HSET', registry_tag('plant-7') . ':r:plant-7', 's', 3);

    is(add('fleet', $pem)->{status}, 200,
       "$lab: a claim of a registry that is being deleted");
    like(claim_of($pem), qr/^fleet /, '... is taken over');

    # an operation that is stored will not come again

    fresh('fleet', 'plant-7');
    $pem = new_certificate();

    my $added = add('plant-7', $pem);

    remove('plant-7', $pem);
    wait_until(sub { claim_of($pem) eq '' });
    claim($pem, 'plant-7', id($added));

    is(add('fleet', $pem)->{status}, 200,
       "$lab: a young claim that was not given back");
}


sub claims_in_the_way {
    for my $holder ('plant-7', 'fleet') {
        fresh('fleet', 'plant-7');

        my $pem = new_certificate();

        # the future, so that it stays young
        claim($pem, $holder, operation_id($holder, time() * 1000 + 60_000));

        my $before = claim_of($pem);
        my $refused = add('fleet', $pem);

        is($refused->{status}, 409, "$lab: a young claim of $holder");
        is(answer($refused->{body}), "10 CERTIFICATE_BUSY\n",
           '... may become its certificate');
        is(claim_of($pem), $before, '... and stays');
        is(owners($pem), '', '... no owner yet');
    }

    # a member's claim may be as young as it likes

    fresh('fleet', 'plant-7');

    my $pem = new_certificate();
    my $id = id(add('plant-7', $pem));

    is(answer(add('fleet', $pem)->{body}), exists_in($pem, 'another'),
       "$lab: a young claim of an owner");
    is(claim_of($pem), "plant-7 $id", '... stays');

    # what is wrong with the registry comes first, as on one server

    is(answer(add('plant-8', $pem)->{body}), no_registry('plant-8'),
       "$lab: no registry, and the certificate is another's");
}


# what was claimed for nothing is given back

sub refused {
    fresh('fleet');

    my $pem = new_certificate();

    is(answer(add('plant-8', $pem)->{body}), no_registry('plant-8'),
       "$lab: a registry that is not there");
    ok(wait_until(sub { claim_of($pem) eq '' }),
       '... leaves no claim');

    my $limited = gateway_with('', settings => 'iot_certificate_limit 1;');

    add_at($limited, 'fleet');
    is(answer(add_at($limited, 'fleet', $pem)->{body}),
       "8 CERTIFICATE_LIMIT\nquota registry:fleet\n",
       "$lab: a limit");
    ok(wait_until(sub { claim_of($pem) eq '' }), '... leaves no claim');
    is($limited->stop, '', '... nginx stops');

    # the same request again, when the certificate went meanwhile

    my $first = add('fleet', $pem, 'Idempotency-Key' => $key);
    remove('fleet', $pem);
    wait_until(sub { claim_of($pem) eq '' });

    is(id(add('fleet', $pem, 'Idempotency-Key' => $key)), id($first),
       "$lab: a repeated request");
    ok(wait_until(sub { claim_of($pem) eq '' }), '... leaves no claim');

    # ... or has another owner

    create_registries('plant-7');
    add('plant-7', $pem);
    is(id(add('fleet', $pem, 'Idempotency-Key' => $key)), id($first),
       '... also when another has the certificate now');
    is(answer(add('fleet', new_certificate(),
                  'Idempotency-Key' => $key)->{body}),
       "3 IDEMPOTENCY_KEY_REUSED\nfield idempotency_key\n",
       '... another request');
}


sub newer_claims {
    fresh('fleet');

    my $pem = new_certificate();

    store('SET', claim_key($pem), "\2later");
    is(answer(add('fleet', $pem)->{body}),
       "14 STORE_NEWER_FORMAT\nretry 1s\n", "$lab: a newer claim");
    is(store('GET', claim_key($pem)), "\2later", '... stays');
}


# Clients that want the same at the same moment, on both workers.

sub race_of_registries {
    my (%workers, %status, @wrong);

    fresh('fleet', 'plant-7');

    for my $round (1 .. 40) {
        my $pem = new_certificate();
        my @answers = at_once(map {
            [ 'POST', path($_), body($pem) ]
        } ('fleet', 'plant-7') x 3);

        note_workers(\%workers, @answers);
        $status{$_->{status}}++ for @answers;

        my @added = grep { $_->{status} == 200 } @answers;
        my @owners = split ' ', owners($pem);
        my @refused = grep {
            $_->{status} == 409
                && answer($_->{body}) =~ /^(?:6[ ]CERTIFICATE_EXISTS
                                             |10[ ]CERTIFICATE_BUSY)$/mx
        } @answers;

        # an add that lost its claim may have left the field to nobody
        push @wrong, "round $round: @owners, "
            . join ' ', map { $_->{status} } @answers
            if @owners != @added || @owners > 1 || @added + @refused != 6;

        next if !@added;

        push @wrong, "round $round: claim " . claim_of($pem)
            if claim_of($pem) ne "$owners[0] " . id(@added);
    }

    is(scalar keys %workers, 2, "$lab: two registries: both workers took part");
    is_deeply(\@wrong, [], '... one owner each time');
    is($status{200}, 40, '... and always one');
}


sub race_of_keys {
    my (%workers, @wrong);

    fresh('fleet');

    for my $round (1 .. 40) {
        my $uuid = sprintf '00000000-0000-4000-8000-%012d', $round;
        my $pem = new_certificate();
        my @request = ('POST', path('fleet'), body($pem),
                       'Idempotency-Key' => $uuid);
        my @answers = at_once(([ @request ]) x 6);

        # who met the first in the middle of its work is told to come again

        for my $answer (@answers) {
            next if answer($answer->{body}) ne "10 CERTIFICATE_BUSY\n";

            $answer = $nginx->request(@request);
        }

        my %ids = map { id($_) => 1 } @answers;

        note_workers(\%workers, @answers);
        push @wrong, "round $round: "
            . join ' ', map { $_->{status} . ' ' . id($_) } @answers
            if keys %ids != 1 || $ids{''}
               || operations('fleet') != $round;
    }

    is(scalar keys %workers, 2, "$lab: one key: both workers took part");
    is_deeply(\@wrong, [], '... one operation each time');
}


sub race_of_deletes {
    my (%workers, %seen, @wrong);

    fresh('fleet', 'plant-7');

    for my $round (1 .. 40) {
        my $pem = new_certificate();
        my $name = sha256_hex(der($pem));

        add('fleet', $pem);

        my @answers = at_once(
            [ 'DELETE', path('fleet') . "/$name" ],
            [ 'POST', path('plant-7'), body($pem) ],
            [ 'POST', path('fleet'), body($pem) ],
            [ 'DELETE', path('fleet') . "/$name" ],
            [ 'POST', path('plant-7'), body($pem) ],
            [ 'DELETE', path('plant-7') . "/$name" ]);

        note_workers(\%workers, @answers);

        my @owners = split ' ', owners($pem);

        $seen{"@owners"}++;
        push @wrong, "round $round: @owners" if @owners > 1;
        push @wrong, "round $round: "
            . join ' ', map { $_->{status} } @answers
            if grep { $_->{status} !~ /^(?:200|404|409)$/ } @answers;

        # whatever became of it, it is not stuck

        my $last;
        wait_until(sub {
            $last = add('fleet', $pem);
            answer($last->{body}) ne "10 CERTIFICATE_BUSY\n";
        });

        my $expected = !@owners ? '^added'
            : $owners[0] eq 'fleet' ? 'registry this$' : 'registry another$';

        push @wrong, "round $round: owners @owners, then "
            . answer($last->{body})
            if answer($last->{body}) !~ /$expected/m;
    }

    is(scalar keys %workers, 2,
       "$lab: adds and deletes: both workers took part");
    is_deeply(\@wrong, [], '... never two owners, never stuck ('
              . join(', ', map { ($_ || 'nobody') . " $seen{$_}" }
                           sort keys %seen) . ')');
}


# ---- crashes, on the cluster ----------------------------------------------

# The registry's master hangs and has no link yet, so the commit waits in the
# worker that is killed: a claim without a commit, for ever.

sub killed_before_commit {
    my $of = placed();
    my $victim = gateway_at($of->{at_claim});
    my $other = gateway_with('timeout 20s');

    warm($other, $of);
    $of->{at_fleet}->signal('STOP');

    my $pending = $victim->send_request('POST', path($of->{fleet}),
                                        body($of->{pem}));

    ok(wait_until(sub { claim_at($of) ne '' }), 'killed: claimed');
    kill_workers($victim);
    close $pending;
    $of->{at_fleet}->signal('CONT');

    my ($claimed_by) = claim_at($of) =~ / (\w+)$/;
    my $began = operation_time($claimed_by);

    my $answer = add_at($other, $of->{plant}, $of->{pem});
    my $within = time() * 1000 - $began < $PATIENCE;

    ok($within, '... and soon after that');
    is(answer($answer->{body}), "10 CERTIFICATE_BUSY\n",
       '... others have to wait');

    # from now on each answer is that, or the certificate is taken over

    my @odd;

    ok(wait_until(sub {
        $answer = add_at($other, $of->{plant}, $of->{pem});
        push @odd, answer($answer->{body})
            if $answer->{status} != 200
               && answer($answer->{body}) ne "10 CERTIFICATE_BUSY\n";
        return $answer->{status} == 200;
    }, 30), '... and then another takes over');

    is_deeply(\@odd, [], '... nothing else was answered');
    cmp_ok(time() * 1000 - $began, '>=', $PATIENCE, '... not sooner');
    is(owners($of->{pem}), $of->{plant}, '... one owner');
    is(claim_at($of), "$of->{plant} " . id($answer), '... which has the claim');
    is($cluster->on(registry_tag($of->{fleet}) . ':x', 'EXISTS',
                    registry_tag($of->{fleet}) . ":a:$claimed_by"), 1,
       '... the other operation is fenced off');
    is($other->request('GET', "/operations/$claimed_by")->{status}, 404,
       '... and was never stored');

    stops($victim, $other);
}


# The bytes of the commit are with the server that hangs, and arrive after the
# death of who has sent them.

sub killed_after_commit_was_sent {
    my $of = placed();
    my $victim = gateway_with('timeout 20s');
    my $other = gateway_with('timeout 500ms');

    warm($_, $of) for $victim, $other;
    $of->{at_fleet}->signal('STOP');

    my $pending = $victim->send_request('POST', path($of->{fleet}),
                                        body($of->{pem}));

    ok(wait_until(sub { claim_at($of) ne '' }), 'sent: claimed');
    sent_to($of->{at_fleet});
    kill_workers($victim);
    close $pending;

    my $refused = add_at($other, $of->{plant}, $of->{pem});

    is(answer($refused->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       '... nobody can tell meanwhile, and it is certain that nothing is done');
    is(owners_but($of), '', '... so it is');

    $of->{at_fleet}->signal('CONT');

    ok(wait_until(sub { owners($of->{pem}) eq $of->{fleet} }),
       '... the commit arrives');

    # its own links come back by and by
    my $answer;
    wait_until(sub {
        $answer = add_at($other, $of->{plant}, $of->{pem});
        $answer->{status} != 503;
    });

    is(answer($answer->{body}), exists_in($of->{pem}, 'another'),
       '... its certificate is safe');
    is(owners($of->{pem}), $of->{fleet}, '... one owner');

    stops($victim, $other);
}


# A worker sleeps between claim and commit, so long that another takes its
# claim over.  What it sends when it wakes up comes too late.

sub sleeps_before_commit {
    my $of = placed();
    my $sleeper = gateway_with('timeout 60s');
    my $other = gateway_with('timeout 20s');

    warm($_, $of) for $sleeper, $other;
    $of->{at_claim}->signal('STOP');

    my $pending = $sleeper->send_request('POST', path($of->{fleet}),
                                         body($of->{pem}));

    sent_to($of->{at_claim});
    kill 'STOP', $sleeper->workers;
    $of->{at_claim}->signal('CONT');
    ok(wait_until(sub { claim_at($of) ne '' }), 'sleeps: claimed');

    my ($id) = claim_at($of) =~ / (\w+)$/;

    ok(wait_until(sub {
        add_at($other, $of->{plant}, $of->{pem})->{status} == 200
    }, 30), '... another takes over in the end');

    kill 'CONT', $sleeper->workers;

    is(answer(Iot::Nginx::read_answer($pending)->{body}),
       "10 CERTIFICATE_BUSY\n", '... and the sleeper is told so');
    is(owners($of->{pem}), $of->{plant}, '... one owner');
    like(claim_at($of), qr/^\Q$of->{plant}\E /, '... which has the claim');
    is($other->request('GET', "/operations/$id")->{status}, 404,
       '... the other operation was not stored');

    stops($sleeper, $other);
}


# A Create has its name and its certificates, and its registry's master hangs.

sub killed_in_create {
    my ($with) = @_;

    my $of = placed();
    my $victim = gateway_at($of->{at_claim}, 'timeout 20s',
                            settings => 'iot_import on;');
    my $other = gateway_with('timeout 20s', settings => 'iot_import on;');
    my ($registry, $folder) = map { place($_, "$_-") } qw(fleet plant);
    my @more = map { certificate_at($of->{at_claim}) } 1 .. 2;
    my @request = ('POST', "/iot-devices/v1/registries?registryId=$registry",
        JSON::PP->new->encode({
            folderId => $folder, name => 'new', certificates =>
            [ map { { certificateData => $_ } } $of->{pem}, @more ]
        }), $with eq 'a key' ? ('Idempotency-Key' => $key) : ());

    warm($other, $of);

    # its links are to the masters of folder and certificates only
    my $warm = $victim->request('GET',
        "/iot-devices/v1/registries?folderId=$folder");

    is($warm->{status}, 200, "create, $with: the folder");
    $of->{at_fleet}->signal('STOP');

    my $pending = $victim->send_request(@request);

    ok(wait_until(sub { claim_of($more[-1]) ne '' }), '... claimed all');

    my ($claimed_by) = claim_at($of) =~ / (\w+)$/;

    kill_workers($victim);
    close $pending;
    $of->{at_fleet}->signal('CONT');

    my ($answer, @odd);

    ok(wait_until(sub {
        $answer = $other->request(@request);
        push @odd, answer($answer->{body})
            if $answer->{status} != 200
               && answer($answer->{body})
                  !~ /^10 (?:REGISTRY_NAME|CERTIFICATE)_BUSY$/m;
        return $answer->{status} == 200;
    }, 30), '... a retry comes to its end');

    is_deeply(\@odd, [], '... nothing else was answered');
    is(id($answer) eq $claimed_by ? 'a key' : 'no key', $with,
       '... as the operation that it has to be');
    is(join(' ', map { owners($_) } $of->{pem}, @more),
       join(' ', ($registry) x 3), '... each certificate has one owner');
    is(join(' ', map { claim_of($_) } $of->{pem}, @more),
       join(' ', ("$registry " . id($answer)) x 3), '... which has its claim');

    my $list = $other->request('GET',
        "/iot-devices/v1/registries?folderId=$folder");

    is(join(' ', map { "$_->{id} $_->{name}" }
                 @{ decode_json($list->{body})->{registries} }),
       "$registry new", '... and there is one registry');

    stops($victim, $other);
}


# A delete is done, and its claim stays: it names what is not there.

sub killed_before_release {
    my $of = placed();
    my $victim = gateway_at($of->{at_fleet});
    my $other = gateway_with('timeout 20s');

    warm($other, $of);
    add_at($other, $of->{fleet}, $of->{pem});
    $of->{at_claim}->signal('STOP');

    my $deleted = remove_at($victim, $of->{fleet}, $of->{pem});

    is($deleted->{status}, 200, 'delete: done, whatever becomes of the claim');
    kill_workers($victim);
    $of->{at_claim}->signal('CONT');

    isnt(claim_at($of), '', '... which is still there');
    is($other->request('GET', path($of->{fleet}) . '/'
                       . sha256_hex(der($of->{pem})))->{status}, 404,
       '... and worth nothing');
    is(add_at($other, $of->{plant}, $of->{pem})->{status}, 200,
       '... so that another has it at once');
    is(owners($of->{pem}), $of->{plant}, '... alone');

    stops($victim, $other);
}


# ... or it arrives late, when another has the claim: it is not that one's

sub killed_after_release_was_sent {
    my $of = placed();
    my $victim = gateway_with('timeout 20s');
    my $other = gateway_with('timeout 20s');

    warm($_, $of) for $victim, $other;
    add_at($other, $of->{fleet}, $of->{pem});
    $of->{at_claim}->signal('STOP');

    is(remove_at($victim, $of->{fleet}, $of->{pem})->{status}, 200,
       'release: sent');
    sent_to($of->{at_claim});
    kill_workers($victim);
    $of->{at_claim}->signal('CONT');

    is(add_at($other, $of->{plant}, $of->{pem})->{status}, 200,
       '... another has the certificate');
    sleep 0.2;
    like(claim_at($of), qr/^\Q$of->{plant}\E /, '... and keeps its claim');
    is(owners($of->{pem}), $of->{plant}, '... alone');

    stops($victim, $other);
}


# ---- what is not answered -------------------------------------------------

sub claim_not_answered {
    my $of = placed();
    my $hasty = gateway_with('timeout 500ms');

    warm($hasty, $of);
    $of->{at_claim}->signal('STOP');

    my $answer = add_at($hasty, $of->{fleet}, $of->{pem});

    is($answer->{status}, 503, 'the claim is not answered');
    is(answer($answer->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       '... it is certain that nothing is done');
    $of->{at_claim}->signal('CONT');
    ok(wait_until(sub { claim_at($of) ne '' }), '... the claim comes late');
    is(owners($of->{pem}), '', '... and nothing behind it');
    ok(wait_until(sub {
        add_at($hasty, $of->{plant}, $of->{pem})->{status} == 200
    }, 30), '... so that another has the certificate when it is old');
    is(owners($of->{pem}), $of->{plant}, '... alone');

    stops($hasty);
}


sub commit_not_sent {
    my $of = placed();
    my $hasty = gateway_at($of->{at_claim}, 'timeout 500ms');

    $of->{at_fleet}->signal('STOP');

    my $answer = add_at($hasty, $of->{fleet}, $of->{pem});

    is(answer($answer->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'the commit is not sent: nothing is done');
    ok(wait_until(sub { claim_at($of) eq '' }), '... no claim is left');
    $of->{at_fleet}->signal('CONT');
    is(owners($of->{pem}), '', '... no owner');

    stops($hasty);
}


sub commit_not_answered {
    my $of = placed();
    my $hasty = gateway_with('timeout 500ms');

    warm($hasty, $of);
    $of->{at_fleet}->signal('STOP');

    my $answer = add_at($hasty, $of->{fleet}, $of->{pem});
    my ($id) = answer($answer->{body}) =~ /^metadata operationId (\w+)$/m;

    is($answer->{status}, 504, 'the commit is not answered');
    is(answer($answer->{body}), "4 STORE_OUTCOME_UNKNOWN\n"
       . "metadata operationId $id\nmetadata outcome UNKNOWN\n",
       '... nobody knows');

    # the claim stays, since the commit may come
    is(claim_at($of), "$of->{fleet} $id", '... and the claim stays');
    $of->{at_fleet}->signal('CONT');
    ok(wait_until(sub {
        $hasty->request('GET', "/operations/$id")->{status} == 200
    }), '... the operation tells');
    is(owners($of->{pem}), $of->{fleet}, '... one owner');
    is(claim_at($of), "$of->{fleet} $id", '... with its claim');

    stops($hasty);
}


# a client that does not wait takes its claim with it

sub client_leaves {
    my $of = placed();
    my $patient = gateway_at($of->{at_claim});

    $of->{at_fleet}->signal('STOP');

    my $socket = $patient->send_request('POST', path($of->{fleet}),
                                        body($of->{pem}));

    ok(wait_until(sub { claim_at($of) ne '' }), 'a client: claimed');
    close $socket;

    # the commit was handed to the client of Redis: it may still be sent
    my $left = claim_at($of);
    $of->{at_fleet}->signal('CONT');
    isnt($left, '', '... and leaves, with a commit under way');
    is(add_at($patient, $of->{fleet}, new_certificate())->{status}, 200,
       '... the gateway goes on');

    my $next = add_at($patient, $of->{plant}, $of->{pem});
    my $expected = owners($of->{pem}) eq $of->{plant} ? 200 : 409;

    is($next->{status}, $expected, '... and nothing has two owners');

    stops($patient);
}


sub tasks_at_exit {
    my $of = placed();
    my $nginx = gateway_with('timeout 1s', main => 'worker_shutdown_timeout 5s;');

    warm($nginx, $of);
    add_at($nginx, $of->{fleet}, $of->{pem});
    $of->{at_claim}->signal('STOP');
    is(remove_at($nginx, $of->{fleet}, $of->{pem})->{status}, 200,
       'exit: a delete whose claim is not given back');
    is($nginx->stop, '', '... does not keep nginx');
    like($nginx->error_log, qr/a task was given up, release of claims/,
         '... and is told');
    $of->{at_claim}->signal('CONT');
}


# ---- helpers --------------------------------------------------------------

sub start_lab {
    if ($lab eq 'single') {
        redis_start();
        $store = 'server $TEST_NGINX_REDIS;';
        return;
    }

    redis_stop();

    # nobody is declared dead while a master hangs
    $cluster = Iot::Cluster->start(masters => 3, replicas => 0,
                                   timeout => 60_000);
    $store = 'topology cluster; server '
        . join(' ', $cluster->addresses) . ';';
}


sub gateway_with {
    my ($more, %of) = @_;

    my $settings = delete $of{settings} // '';
    my $server = delete $of{store} // $store;

    $more = $more eq '' ? '' : "$more;";

    return Iot::Nginx->start(
        http => http_config() =~ s/server [^;]*;/$server $more/r,
        server => <<"_EOC_", %of);
    add_header X-Worker \$pid always;
    $settings

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_
}


# one that knows the cluster from one node, and has links to no other

sub gateway_at {
    my ($node, $more, %of) = @_;

    return gateway_with($more // 'timeout 20s', %of,
        store => "topology cluster; server 127.0.0.1:$node->{port};");
}


# links to all that take part

sub warm {
    my ($at, $of) = @_;

    my $pem = certificate_at($of->{at_claim});

    for my $registry ($of->{fleet}, $of->{plant}) {
        is(add_at($at, $registry, $pem)->{status}, 200, 'a link to each');
        remove_at($at, $registry, $pem);
        wait_until(sub { claim_of($pem) eq '' });
    }
}


sub stops {
    for my $at (@_) {
        my $said = $at->stop;

        # the log tells of what was killed
        $said =~ s/^.* exited on signal 9\n//mg if $at->{killed};

        is($said, '', '... nginx stops');
    }
}


sub kill_workers {
    my ($at) = @_;

    my %old = map { $_ => 1 } $at->workers;

    kill 'KILL', keys %old;
    wait_until(sub { !grep { $old{$_} } $at->workers })
        or die "workers are not killed\n";
    $at->{killed} = 1;
}


# what was written to a server that hangs is in its socket

sub sent_to {
    my ($node) = @_;

    my $port = sprintf '%04X', $node->{port};

    ok(wait_until(sub {
        open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
        grep { /^\s*\d+: \w+:$port \w+:\w+ \w\w \w+:(\w+)/ && hex $1 } <$tcp>;
    }), '... the bytes are with the server');
}


# A certificate whose claim, and two registries, each with a master of its own.

sub placed {
    $cluster->flush;

    my %of;
    my ($claim, $fleet, $plant) = $cluster->masters;

    @of{qw(at_claim at_fleet at_plant)} = ($claim, $fleet, $plant);

    for my $name (qw(fleet plant)) {
        my $n = 0;

        $n++ until owner(registry_tag("$name-$n") . ':r') == $of{"at_$name"};
        $of{$name} = "$name-$n";
        $cluster->create_registry("$name-$n");
    }

    $of{pem} = certificate_at($claim);

    return \%of;
}


# the first id of its kind on the master of "fleet" or "plant"

sub place {
    my ($kind, $prefix) = @_;

    my %of;
    my $n = 1000;

    @of{qw(claim fleet plant)} = $cluster->masters;
    $n++ until owner(registry_tag("$prefix$n") . ':r') == $of{$kind};

    return "$prefix$n";
}


sub certificate_at {
    my ($node) = @_;

    my $pem;

    do {
        $pem = new_certificate();
    } until owner(claim_key($pem)) == $node;

    return $pem;
}


# who has a key; masters that hang are not asked

my @ranges;

sub owner {
    my ($name) = @_;

    my ($text) = $name =~ /\{(.*?)\}/;
    my $slot = crc($text) % 16384;

    @ranges = map {
        my $node = $_;
        map { [ /^(\d+)-(\d+)$/, $node ] }
            @{ $cluster->view->{$node->{id}} }[3 .. 3];
    } $cluster->masters if !@ranges;

    my ($found) = grep { $slot >= $_->[0] && $slot <= $_->[1] } @ranges;

    return $found->[2];
}

sub crc {
    my $crc = 0;

    for my $byte (unpack 'C*', $_[0]) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }

    return $crc;
}


# a command whose second word is the key; undef for nil

sub store {
    my ($name, $key_name, @rest) = @_;

    return redis($name, $key_name, @rest) if $lab eq 'single';

    my $reply = owner($key_name)->command($name, $key_name, @rest);

    return defined $reply && $reply eq 'nil' ? undef : $reply;
}


# how many were run, on all nodes

sub scripts {
    my $sum = 0;

    for ($lab eq 'single' ? redis('INFO', 'commandstats')
                          : map { $_->command('INFO', 'commandstats') }
                                $cluster->nodes)
    {
        $sum += $1 while /^cmdstat_eval(?:sha)?:calls=(\d+)/mg;
    }

    return $sum;
}


sub fresh {
    $lab eq 'single' ? redis('FLUSHALL') : $cluster->flush;
    create_registries(@_);
}

sub create_registries {
    for my $id (@_) {
        $lab eq 'single' ? create_registry($id)
                         : $cluster->create_registry($id);
    }
}


sub new_certificate {
    return pem(substr($template, 0, -4) . pack 'N', $number++);
}


sub tag { return "{$digits[$_[0] >> 5]$digits[$_[0] & 31]}" }

sub claim_key {
    my $sha256 = sha256(der($_[0]));

    return tag(unpack('n', $sha256) >> 6) . ':x:' . unpack 'H*', $sha256;
}

sub claim {
    my ($pem, $registry, $operation) = @_;

    store('SET', claim_key($pem), "\1$registry\x1f$operation");
}

# "registry operation", '' when there is none

sub claim_of {
    my $claim = store('GET', claim_key($_[0])) // '';

    return $claim =~ s/^\x01//r =~ s/\x1f/ /r;
}

sub claim_at { return claim_of($_[0]{pem}) }


sub operation_id {
    my ($registry, $at) = @_;

    my $id = registry_tag($registry) =~ tr/{}//dr;

    $at = int $at;
    $id .= $digits[$at >> 5 * $_ & 31] for reverse 0 .. 8;

    return $id . '000000000';
}

sub operation_time {
    my $time = 0;

    $time = $time << 5 | (/\d/ ? $_ : ord($_) - 87)
        for split //, substr $_[0], 2, 9;

    return $time;
}


# the registries that have the certificate, in order

sub owners {
    my ($pem) = @_;

    my $name = sha256_hex(der($pem));
    my @keys = $lab eq 'single' ? @{ redis('KEYS', "*:c:*:$name") }
                                : $cluster->keys("*:c:*:$name");

    return join ' ', sort map { /:c:([^:]+):/ } @keys;
}

# ... but on the master that hangs

sub owners_but {
    my ($of) = @_;

    my $name = sha256_hex(der($of->{pem}));

    return join ' ', map { @{ $_->command('KEYS', "*:c:*:$name") } }
                     @{$of}{qw(at_claim at_plant)};
}


sub operations { return store('ZCARD', registry_tag($_[0]) . ":y:$_[0]") }


sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub add_at {
    my ($at, $registry, $pem, @headers) = @_;

    return $at->request('POST', path($registry),
                        body($pem // new_certificate()), @headers);
}

sub add { return add_at($nginx, @_) }

sub remove_at {
    my ($at, $registry, $pem) = @_;

    return $at->request('DELETE', path($registry) . '/'
                                  . sha256_hex(der($pem)));
}

sub remove { return remove_at($nginx, @_) }


# requests that are sent before the first answer is read

sub at_once {
    my @sockets = map { $nginx->send_request(@$_) } @_;

    return map { Iot::Nginx::read_answer($_) } @sockets;
}

sub note_workers {
    my ($workers, @answers) = @_;

    $workers->{$_->{headers}{'x-worker'}}++ for @answers;
}


sub id {
    my $value = eval { decode_json($_[0]{body}) } || {};

    return $value->{id} // '';
}

sub exists_in {
    my ($pem, $where, $id) = @_;

    return "6 CERTIFICATE_EXISTS\n"
        . 'resource yandex.cloud.iot.devices.v1.RegistryCertificate '
        . sha256_hex(der($pem)) . "\n"
        . ($id ? "metadata operationId $id\n" : '')
        . "metadata registry $where\n";
}

sub no_registry {
    return "5 REGISTRY_NOT_FOUND\n"
        . "resource yandex.cloud.iot.devices.v1.Registry $_[0]\n";
}
