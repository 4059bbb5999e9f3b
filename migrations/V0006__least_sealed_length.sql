-- Nothing that is shorter than an empty text sealed (version, key's id and nonce: 33 bytes, tag: 16) is a sealed value.

alter table environment_variables
    add constraint environment_variables_sealed_length check (octet_length(sealed) >= 49);
