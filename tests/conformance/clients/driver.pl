# One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
use strict;
use IO::Socket::SSL;
$| = 1;
while (my $line = <STDIN>) {
    my ($port, $name, $ca) = split ' ', $line;
    my %options = (PeerAddr => "127.0.0.1:$port", Timeout => 8, SSL_alpn_protocols => ['http/1.1']);
    $options{SSL_hostname} = $name ne '-' ? $name : '';
    if ($ca eq '-') { $options{SSL_verify_mode} = SSL_VERIFY_NONE }
    else { @options{qw(SSL_ca_file SSL_verifycn_name SSL_verifycn_scheme)} = ($ca, $name, 'http') }
    my $socket = IO::Socket::SSL->new(%options);
    if ($socket) {
        print $socket "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        my $answer = <$socket>;
        print defined $answer ? "ok\n" : "closed\n";
        close $socket;
    } else { (my $error = "$SSL_ERROR") =~ s/\s+/ /g; print "$error\n" }
}
