package Faults::Journal;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What clients asked and were told: a line of JSON for each request, in a file
# for each client.
#
#     kind         add, delete; create, update, remove (of registries);
#                  import, finish, cancel, poll, get
#     client       who
#     from, to     when it was sent, and when there was an answer or none
#     sent         0: nginx has certainly not got all of it
#     status       of HTTP; 0: there was no answer
#     reason       of an error
#     registry, fingerprint, folder, name, description, certificates, key,
#     later        what was asked for; key is the Idempotency-Key
#     number, numbers
#                  of the certificates, see Iot::Load::certificate_of()
#     of           the operation that was asked for
#     imported     fingerprints that were, or may have been: whole tells
#     operation    the id in the answer, in that of an error as well
#     created      the registry that a Create answered
#     content      of the operation in the answer, see content(); of REST
#     wrong        what was wrong with the answer at first sight

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use JSON::PP;

my $json = JSON::PP->new->canonical->utf8;


sub new {
    my ($class, $file) = @_;

    open my $out, '>>', $file or die "$file: $!";
    $out->autoflush(1);

    return bless { out => $out }, $class;
}


sub write {
    my ($self, $entry) = @_;

    print {$self->{out}} $json->encode($entry) . "\n";
}


sub read {
    my ($class, @files) = @_;

    return map { map { $json->decode($_) } lines($_) } @files;
}


sub lines {
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!";

    return grep { /\}\n\z/ } <$in>;
}


# An operation in short, so that two answers can be compared: what never
# changes, what does not once it is done, and certificateData, which goes with
# the certificate.  Of a registry the response is as it is now, but for its id.

sub content {
    my ($operation) = @_;

    my %response = %{$operation->{response} || {}};
    my $data = delete $response{certificateData};
    my ($method) = ($operation->{metadata}{'@type'} // '') =~ /(\w+)Metadata$/;
    my $of_registry = ($method // '') =~ /^(?:Create|Update|Enable|Disable)/;

    return {
        method => $method // '',
        registry => $operation->{metadata}{registryId},
        fingerprint => $operation->{metadata}{fingerprint},
        done => $operation->{done} ? 1 : 0,
        failed => $operation->{error} ? 1 : 0,
        head => digest(@$operation{qw(id description createdAt createdBy
                                      metadata)}),
        rest => !$operation->{done} ? undef
            : digest(@$operation{qw(modifiedAt error)},
                     $of_registry ? $response{id} : \%response),
        data => defined $data ? digest($data) : undef,
    };
}


sub digest { return substr sha1_hex($json->encode(\@_)), 0, 16 }

1;
