# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Reads the text after __DATA__: blocks (=== NAME), their sections
# (--- name filters: value) and the filters that shape a section's value.
#
# Parsing and filtering are two steps on purpose: blocks() is usually called
# in the plan, before variables used by "eval" filters have got their values,
# so the filters only run when run_tests() does.

package Test::Nginx::Socket::Spec;

use strict;
use warnings;


# A filter takes the list of a section's values and returns a new list.

my %filters = (
    norm    => sub { map { s/\r\n?/\n/gr } @_ },
    trim    => sub { map { _trim($_) } @_ },
    chomp   => sub { map { s/\n\z//r } @_ },
    unchomp => sub { map { "$_\n" } @_ },
    chop    => sub { map { substr($_, 0, length() ? length() - 1 : 0) } @_ },
    lines   => sub { map { /^.*\n?/mg } grep { length } @_ },
    join    => sub { join '', @_ },
    array   => sub { [@_] },
);


# parse($text, $file, $first_line): all blocks, sections still raw.

sub parse {
    my ($text, $file, $line) = @_;
    my (@blocks, $block, $section);

    for (split /^/, $text) {
        $line++;

        if (/^===[ \t]+(.*?)\r?\n?\z/) {
            $block = Test::Nginx::Socket::Block->_new($1, $file, $line);
            $section = undef;
            push @blocks, $block;

        } elsif (!$block) {
            next;

        } elsif (/^---[ \t]+(\w+)((?:[ \t]+\w+)*)[ \t]*(?:(:)(.*))?$/) {
            my ($name, $filters, $inline, $value) = ($1, $2, $3, $4);

            $value = '' if !defined $value;
            $value =~ s/^\s+|\s+\z//g;

            $section = { filters => [split ' ', $filters], line => $line,
                         inline => $inline, raw => $inline ? $value : '' };

            # the last section of a name wins
            $block->{raw}{$name} = $section;

        } elsif ($section) {
            $section->{raw} .= $_ if !$section->{inline};

        } else {
            $block->{text} .= $_;
        }
    }

    return @blocks;
}


# choose(@blocks): apply the ONLY, SKIP and LAST meta sections.

sub choose {
    my @chosen;

    for my $block (@_) {
        my $raw = $block->{raw};

        if ($raw->{ONLY}) {
            warn "# found ONLY in $block->{file} line $block->{line}: "
                 . "all other blocks are left out\n";
            return $block;
        }

        push @chosen, $block if !$raw->{SKIP};
        last if $raw->{LAST};
    }

    return @chosen;
}


# prepare($block): run the filters of all its sections.

sub prepare {
    my ($block) = @_;
    my $raw = $block->{raw};

    for my $name (sort { $raw->{$a}{line} <=> $raw->{$b}{line} } keys %$raw) {
        my $section = $raw->{$name};
        my @values = $section->{inline} ? $section->{raw}
                                        : _normal($section->{raw});

        for my $filter (@{ $section->{filters} }) {
            @values = _filter($block, $section, $filter, @values);
        }

        $block->{values}{$name} = \@values;
    }
}


sub _normal { return _trim($_[0] =~ s/\r\n?/\n/gr) }


# blank lines at both ends go, and the rest ends in one newline

sub _trim {
    my ($text) = @_;

    $text =~ s/\A(?:[ \t]*\n)+//;
    $text =~ s/(?:[ \t]*\n)*[ \t]*\z//;

    return length $text ? "$text\n" : '';
}


sub _filter {
    my ($block, $section, $filter, @values) = @_;
    no strict 'refs';

    if ($filter eq 'eval') {
        return _eval(join('', @values), $block->{file}, $section->{line});
    }

    # a function of the test file of that name takes precedence
    return &{"main::$filter"}(@values) if defined &{"main::$filter"};
    return $filters{$filter}->(@values) if $filters{$filter};

    die "$block->{file} line $section->{line}: no filter \"$filter\"\n";
}


# Perl code of the test file, in package main and without strict

sub _eval {
    my ($code, $file, $line) = @_;

    $line++;
    my @values = eval "package main; no strict; no warnings;\n"
                      . "#line $line \"$file\"\n$code";
    die "$file line $line: eval failed: $@" if $@;

    return @values;
}


# What preprocessors and checks get: $block->SECTION is the section's value,
# or undef without the section; in list context all values.

package Test::Nginx::Socket::Block;

our $AUTOLOAD;


sub _new {
    my ($class, $name, $file, $line) = @_;

    return bless { name => $name, file => $file, line => $line, text => '',
                   raw => {}, values => {} }, $class;
}


sub name { return $_[0]{name} }


sub description {
    my ($self) = @_;
    my $text = $self->{text} =~ s/\A\s+|\s+\z//gr;

    return length $text ? $text : $self->{name} =~ s/\s+\z//r;
}


sub set_value {
    my ($self, $name, @values) = @_;

    $self->{values}{$name} = \@values;
}


sub DESTROY { }


sub AUTOLOAD {
    my ($self) = @_;
    my $name = $AUTOLOAD =~ s/.*:://r;

    die "no class method $AUTOLOAD\n" if !ref $self;

    my $values = $self->{values}{$name} || [];
    return wantarray ? @$values : $values->[0];
}


1;
