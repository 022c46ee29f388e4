# One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
require "net/http"
require "openssl"
$stdout.sync = true
$stdin.each_line do |line|
  port, name, ca = line.split
  begin
    http = Net::HTTP.new(name == "-" ? "127.0.0.1" : name, port.to_i)
    http.ipaddr = "127.0.0.1"
    http.use_ssl = true
    http.open_timeout = http.read_timeout = 8
    http.verify_mode = ca == "-" ? OpenSSL::SSL::VERIFY_NONE : OpenSSL::SSL::VERIFY_PEER
    http.ca_file = ca unless ca == "-"
    http.get("/")
    puts "ok"
  rescue StandardError => error
    puts error.message.split.join(" ")
  end
end
