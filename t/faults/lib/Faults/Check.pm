package Faults::Check;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What clients were told against what the store has in the end.
#
#     my @violations = Faults::Check::violations([ ENTRIES ], $view,
#                                                lossless => 1);
#
# Each is a line that begins with the rule that is broken.  With lossless =>
# 1 there is no failover that may lose a change whose outcome is unknown, and
# what was seen of such a change has to last as well.
#
# Everything that happens to a certificate is an operation of its registry's
# list, so that list is what has happened: it has to hold all that was
# acknowledged and nothing that nobody asked for, adds and deletes have to
# alternate, and the certificate has to be there when there was one add more.

use strict;
use warnings;

use Faults::Client;

my %METHOD = (add => 'AddRegistryCertificate', create => 'CreateRegistry',
    delete => 'DeleteRegistryCertificate', update => 'UpdateRegistry',
    remove => 'DeleteRegistry');

# what a request may be told besides OK, whatever goes wrong
my %REASONS = map { $_ => 1 } qw(STORE_UNAVAILABLE STORE_TIMEOUT
    STORE_OUTCOME_UNKNOWN STORE_QUEUE_FULL CERTIFICATE_EXISTS
    CERTIFICATE_NOT_FOUND CERTIFICATE_BUSY OPERATION_NOT_FOUND
    OPERATION_PENDING REGISTRY_NOT_FOUND REGISTRY_IN_USE REGISTRY_NAME_BUSY
    REGISTRY_NAME_EXISTS REGISTRY_DELETING);


sub violations {
    my ($entries, $view, %of) = @_;

    my $self = bless {
        entries => [ sort { $a->{from} <=> $b->{from} } @$entries ],
        view => $view, found => [], %of,
    }, __PACKAGE__;

    $self->look_at_answers;
    $self->look_at_operations;
    $self->look_for_strangers;
    $self->look_at_lists;
    $self->look_at_certificates;
    $self->look_at_keys;
    $self->look_at_registries;
    $self->look_at_names;
    $self->look_at_texts;
    $self->look_at_pending;
    $self->look_at_claims;

    return @{$self->{found}};
}


sub bad {
    my ($self, $rule, @what) = @_;

    push @{$self->{found}}, "$rule: " . join ' ', map { $_ // '-' } @what;
}


# ---- entries ---------------------------------------------------------------

sub changes { return grep { $METHOD{$_->{kind}} } @{$_[0]{entries}} }

sub acknowledged { return $_[0]{status} == 200 }

sub unknown { return ($_[0]{reason} // '') eq 'STORE_OUTCOME_UNKNOWN' }

# sent and not answered: nobody knows, and there is no operation to ask for
sub silent { return !$_[0]{status} && $_[0]{sent} }

# what was certainly not done
sub refused { return !acknowledged($_[0]) && !unknown($_[0])
                     && !silent($_[0]) }


sub executed {
    my ($content) = @_;

    return $content && $content->{done} && !$content->{failed};
}


# whether a request was done: 1, 0, or undef when nobody can tell

sub outcome {
    my ($self, $entry) = @_;

    return 0 if refused($entry);
    return undef if silent($entry);
    return undef if !defined $entry->{operation};
    return executed($self->{view}{polled}{$entry->{operation}}) ? 1 : 0;
}


# ---- rules -----------------------------------------------------------------

sub look_at_answers {
    my ($self) = @_;

    for my $entry (@{$self->{entries}}) {
        my ($status, $reason) = @$entry{qw(status reason)};
        my @who = @$entry{qw(kind client from registry fingerprint of)};

        $self->bad('wrong answer', @who, $entry->{wrong}) if $entry->{wrong};

        $self->bad('unexpected answer', @who, $status, $reason)
            if $status && $status != 200 && !$REASONS{$reason // ''}
               && ($entry->{fingerprint} // '') ne 'none';

        $self->bad('no answer in time', @who)
            if !$status && $entry->{to} - $entry->{from}
                           > $Faults::Client::ANSWERED - 1;

        $self->bad('unknown without an operation', @who)
            if unknown($entry) && !$entry->{operation};
    }
}


# What was answered can be read again, and is the same.

sub look_at_operations {
    my ($self) = @_;

    my %since;

    for my $entry (@{$self->{entries}}) {
        my $id = $entry->{operation};
        my $change = $METHOD{$entry->{kind}};

        if (acknowledged($entry) && ($entry->{content} || $change)) {
            $self->compare($entry, $self->{view}{polled}{$id})
                if $change || $self->{lossless} || $since{$id};
            $since{$id} //= $entry->{to} if $change;
        }

        $self->bad('operation not found', $entry->{of}, 'at', $entry->{from},
                   'that was answered at', $since{$entry->{of}})
            if $entry->{kind} eq 'poll' && $entry->{status} == 404
               && $since{$entry->{of}}
               && $since{$entry->{of}} < $entry->{from};
    }
}


sub compare {
    my ($self, $entry, $now) = @_;

    my $then = $entry->{content};
    my @who = @$entry{qw(operation kind client registry fingerprint)};

    if (!$now) {
        $self->bad('lost operation', @who);
        return;
    }

    return if !$then;

    $self->bad('operation undone', @who) if $then->{done} && !$now->{done};

    $self->bad('changed operation', @who)
        if $then->{head} ne $now->{head}
           || $then->{done} && $then->{rest} ne ($now->{rest} // '')
           || defined $then->{data} && defined $now->{data}
              && $then->{data} ne $now->{data};
}


# Operations that no request explains, or only one that was refused.

sub look_for_strangers {
    my ($self) = @_;

    my (%asked, %silent, %refused);

    # an import's operation has no certificate, and its answer not its content
    $silent{what($METHOD{add}, $_->{registry})}++
        for grep { $_->{kind} eq 'import' } @{$self->{entries}};

    for my $entry ($self->changes) {
        my $what = what($METHOD{$entry->{kind}}, @$entry{qw(registry
                                                       fingerprint)});

        if (silent($entry)) {
            $silent{$what}++;

        } elsif (refused($entry)) {
            $refused{$what}++;

        } elsif ($entry->{operation}) {
            $asked{$entry->{operation}} = $entry;
        }
    }

    for my $registry (sort keys %{$self->{view}{operations}}) {
        my $list = $self->{view}{operations}{$registry};

        for my $id (sort keys %$list) {
            my $of = $list->{$id};
            my @where = $of->{method} eq 'CreateRegistry' ? ()
                : ($registry, $of->{fingerprint});
            my $what = what($of->{method}, @where);

            $self->bad('operation of another', $id, $what)
                if $asked{$id}
                   && $METHOD{$asked{$id}{kind}} ne $of->{method};

            next if $asked{$id} || ($silent{$what} || 0) > 0
                                   && $silent{$what}--;

            $self->bad($refused{$what} ? 'refused but done'
                                       : 'nobody asked for', $id, $what);
        }
    }
}


sub what { return join ' ', map { $_ // '-' } @_[0 .. 2] }


# What is polled is listed, what is listed is polled.

sub look_at_lists {
    my ($self) = @_;

    my ($polled, $lists) = @{$self->{view}}{qw(polled operations)};

    for my $id (sort keys %$polled) {
        my $content = $polled->{$id} or next;
        my $list = $lists->{$content->{registry}} or next;

        $self->bad('operation not in its list', $id, $content->{registry})
            if !$list->{$id};
    }

    for my $registry (sort keys %$lists) {
        my $list = $lists->{$registry};

        for my $id (sort keys %$list) {
            $self->bad('operation listed only', $id, $registry)
                if !$polled->{$id} || $polled->{$id}{head}
                                      ne $list->{$id}{head};
        }
    }
}


sub look_at_certificates {
    my ($self) = @_;

    my $certificates = $self->{view}{certificates};
    my %owners;

    for my $registry (sort keys %$certificates) {
        my $there = $certificates->{$registry};
        my $count = $self->counted($registry, $there);

        push @{$owners{$_}}, $registry for keys %$there;

        for (sort keys %{{ %$count, %$there }}) {
            my $expected = $count->{$_} // 0;
            my $is = exists $there->{$_} ? 1 : 0;

            next if $expected == $is;

            $self->bad($expected > 1 ? 'added twice'
                : $expected < 0 ? 'deleted twice'
                : $is ? 'certificate should not be there'
                : 'lost certificate', $registry, $_);
        }
    }

    $self->bad('two owners', $_, @{$owners{$_}})
        for grep { @{$owners{$_}} > 1 } sort keys %owners;
}


# adds less deletes, by fingerprint

sub counted {
    my ($self, $registry, $there) = @_;

    my $list = $self->{view}{operations}{$registry};
    my %count;

    for (grep { executed($_) && $_->{fingerprint} } values %$list) {
        $count{$_->{fingerprint}}++ if $_->{method} eq $METHOD{add};
        $count{$_->{fingerprint}}-- if $_->{method} eq $METHOD{delete};
    }

    $count{$_}++ for $self->begun_with($registry),
                     $self->imported($registry, $there);

    return \%count;
}


# the certificates of the Create that made it; of one that was not answered
# the registry tells by what it has

sub begun_with {
    my ($self, $registry) = @_;

    for (grep { $_->{kind} eq 'create' } @{$self->{entries}}) {
        my $content = $_->{operation}
                      && $self->{view}{polled}{$_->{operation}};

        return @{$_->{certificates} || []}
            if $content && $content->{registry} eq $registry;
    }

    my %silent = map { $_ => 1 } map { @{$_->{certificates} || []} }
        grep { $_->{kind} eq 'create' && silent($_) } @{$self->{entries}};

    return grep { $silent{$_} } keys %{$self->{view}{certificates}{$registry}};
}


# what was, and of what may have been what is there

sub imported {
    my ($self, $registry, $there) = @_;

    return map {
        my $whole = $_->{whole};
        grep { $whole || exists $there->{$_} } @{$_->{imported}};
    } grep { $_->{kind} eq 'import' && $_->{registry} eq $registry }
      @{$self->{entries}};
}


# One key, one operation.

sub look_at_keys {
    my ($self) = @_;

    my (%told, %done);

    for my $entry (grep { defined $_->{key} } $self->changes) {
        my ($key, $id) = @$entry{qw(key operation)};

        next if !defined $id || refused($entry);

        $told{$key}{$id} = 1 if acknowledged($entry);
        $done{$key}{$id} = 1
            if acknowledged($entry) || $self->{view}{polled}{$id};
    }

    for my $key (sort keys %done) {
        my @ids = sort keys %{$done{$key}};

        $self->bad('key of two operations', $key, @ids) if @ids > 1;
    }
}


sub look_at_registries {
    my ($self) = @_;

    my $view = $self->{view};
    my (%created, %removed, %maybe, %silent);

    for my $entry ($self->changes) {
        my $outcome = $self->outcome($entry);

        if ($entry->{kind} eq 'create') {
            my $id = $entry->{created}
                // ($outcome ? $view->{polled}{$entry->{operation}}{registry}
                             : undef);

            $created{$id} = $entry if $id;
            $silent{$entry->{folder}}++ if silent($entry);

        } elsif ($entry->{kind} eq 'remove') {
            $removed{$entry->{registry}} = 1 if $outcome;
            $maybe{$entry->{registry}} = 1 if !defined $outcome;
        }
    }

    for (sort keys %created) {
        my $there = $view->{registries}{$_};

        $self->bad('lost registry', $_)
            if !$there && !$removed{$_} && !$maybe{$_};
        $self->bad('registry should not be there', $_)
            if $there && $removed{$_};
    }

    for my $folder (sort keys %{$view->{folders}}) {
        my %in = map { $_ => 1 } @{$view->{folders}{$folder}};

        $self->bad('registry not in its folder', $_)
            for grep { $created{$_}{folder} eq $folder && !$in{$_}
                       && $view->{registries}{$_} } sort keys %created;
        $self->bad('registry in its folder only', $_)
            for grep { !$view->{registries}{$_} } sort keys %in;

        for (grep { !$created{$_} } sort keys %in) {
            $self->bad('registry nobody asked for', $_)
                if ($silent{$folder} || 0) < 1 || !$silent{$folder}--;
        }
    }
}


sub look_at_names {
    my ($self) = @_;

    my $view = $self->{view};

    for my $folder (sort keys %{$view->{folders}}) {
        my %named;

        for my $id (@{$view->{folders}{$folder}}) {
            my $name = ($view->{registries}{$id} || {})->{name} // next;
            my $found = $view->{names}{$folder}{$name} // 'none';

            $self->bad('name of two registries', $name, $id, $named{$name})
                if $named{$name};
            $self->bad('name leads elsewhere', $name, $id, $found)
                if $found ne $id;
            $named{$name} = $id;
        }
    }
}


# A description is that of the last update that was acknowledged, or of one
# whose outcome was not.

sub look_at_texts {
    my ($self) = @_;

    my $registries = $self->{view}{registries};
    my (%last, %possible, %seen);

    for my $entry (grep { $_->{kind} eq 'update' } @{$self->{entries}}) {
        my ($registry, $text) = @$entry{qw(registry description)};

        next if refused($entry);

        # a repeated request is not done again
        next if acknowledged($entry) && $seen{$entry->{operation}}++;

        $last{$registry} = $text if acknowledged($entry);

        $possible{$registry}{$text} = 1
            if !acknowledged($entry)
               && ($self->outcome($entry) // 1);
    }

    for my $id (sort keys %$registries) {
        my $registry = $registries->{$id} or next;
        my $text = $registry->{description} // '';

        $self->bad('wrong description', $id, $text, 'not', $last{$id})
            if $text ne ($last{$id} // '') && !$possible{$id}{$text};
    }
}


sub look_at_pending {
    my ($self) = @_;

    my $polled = $self->{view}{polled};

    $self->bad('stuck', $_) for @{$self->{view}{pending}};
    $self->bad('not done', $_, $polled->{$_}{method})
        for grep { $polled->{$_} && !$polled->{$_}{done} }
            sort keys %$polled;
}


# Who has a certificate has it for others too, and what nobody has is free.

sub look_at_claims {
    my ($self) = @_;

    my $there = $self->{view}{certificates};
    my %owned;

    for my $registry (keys %$there) {
        $owned{$_}{$registry} = 1 for keys %{$there->{$registry}};
    }

    for my $claim (@{$self->{view}{claims}}) {
        my $owners = $owned{$claim->{fingerprint}};
        my @who = @$claim{qw(fingerprint registry status reason)};

        if (!$owners) {
            $self->bad('certificate not free', @who)
                if $claim->{status} != 200;
            next;
        }

        $self->bad('certificate not claimed', @who)
            if ($claim->{reason} // '') ne 'CERTIFICATE_EXISTS'
               || $claim->{this} != ($owners->{$claim->{registry}} ? 1 : 0);

        $self->bad('certificate of an unknown operation', @who,
                   $claim->{operation})
            if $claim->{this} && !executed(
                $self->{view}{polled}{$claim->{operation} // ''});
    }
}

1;
