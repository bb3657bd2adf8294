-- What retired buckets had counted, by asset: the house remembers them too.

-- Takes the buckets at these places, in rising order, out of the account.
local function retire(a, gone)
    local sums = a[RETIRED] ~= '' and cmsgpack.unpack(a[RETIRED]) or {}
    for i = 1, #gone do
        local b, at = gone[i], nil
        for j = 1, #sums, 3 do at = at or (sums[j] == asset_of(a, b) and j) or nil end
        if not at then
            at = #sums + 1
            sums[at], sums[at + 1], sums[at + 2] = asset_of(a, b), 0, 0
        end
        sums[at + 1] = sums[at + 1] + a[b + B_CREDITED]
        sums[at + 2] = sums[at + 2] + a[b + B_DEBITED]
    end
    for i = #gone, 1, -1 do
        for _ = 1, STRIDE do table.remove(a, gone[i]) end
    end
    a[RETIRED] = cmsgpack.pack(sums)
end
