<?php
// One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
while (($line = fgets(STDIN)) !== false) {
    [$port, $name, $ca] = explode(' ', trim($line));
    $ssl = ['verify_peer' => $ca !== '-', 'verify_peer_name' => $ca !== '-', 'SNI_enabled' => $name !== '-'];
    if ($name !== '-') $ssl['peer_name'] = $name;
    if ($ca !== '-') $ssl['cafile'] = $ca;
    $context = stream_context_create(['ssl' => $ssl, 'http' => ['timeout' => 8, 'ignore_errors' => true]]);
    $found = @file_get_contents("https://127.0.0.1:$port/", false, $context);
    $error = error_get_last();
    echo $found !== false ? "ok" : preg_replace('/\s+/', ' ', $error['message'] ?? 'failed'), "\n";
    error_clear_last();
}
